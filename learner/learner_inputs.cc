#include "learner/learner_inputs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "learner/response_stats.h"

namespace operant::learner {
namespace {

absl::Status Annotate(const absl::Status& status, const std::string& key) {
  absl::Status named(status.code(), absl::StrCat(key, ": ", status.message()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    named.SetPayload(url, payload);
  });
  return named;
}

DatasetOptions::Overlong ParseOverlong(const std::string& name) {
  if (name == "drop") return DatasetOptions::Overlong::kDrop;
  if (name == "left") return DatasetOptions::Overlong::kCutLeft;
  if (name == "right") return DatasetOptions::Overlong::kCutRight;
  return DatasetOptions::Overlong::kError;
}

// Half of the context, unless told otherwise; the response needs the rest.
int32_t MaxPromptTokens(const v1::RunConfig& config, const ModelConfig& model) {
  if (config.data().max_prompt_tokens() > 0)
    return static_cast<int32_t>(config.data().max_prompt_tokens());
  return static_cast<int32_t>(model.max_position_embeddings / 2);
}

absl::Status CheckContext(const v1::RunConfig& config,
                          const ModelConfig& model) {
  const int64_t needed = int64_t{MaxPromptTokens(config, model)} +
                         config.rollout().max_response_tokens();
  if (needed <= model.max_position_embeddings) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "data.max_prompt_tokens + rollout.max_response_tokens = ", needed,
      ", expected at most the model's context of ",
      model.max_position_embeddings, " tokens; lower one of them"));
}

absl::StatusOr<std::vector<PromptRow>> LoadPrompts(
    const std::string& key, const std::string& path,
    const v1::RunConfig& config, const LearnerInputs& inputs) {
  const DatasetOptions options{
      .max_prompt_tokens = MaxPromptTokens(config, inputs.reference.config),
      .overlong = ParseOverlong(config.data().overlong())};
  auto rows = LoadDataset(path, inputs.tokenizer.get(), options);
  if (!rows.ok()) return Annotate(rows.status(), key);
  return rows;
}

v1::SamplingParams TrainingSampling(const v1::RunConfig& config,
                                    const std::vector<int32_t>& stops) {
  v1::SamplingParams sampling;
  sampling.set_temperature(static_cast<float>(config.rollout().temperature()));
  sampling.set_top_p(static_cast<float>(config.rollout().top_p()));
  sampling.set_top_k(static_cast<int32_t>(config.rollout().top_k()));
  sampling.set_max_response_tokens(config.rollout().max_response_tokens());
  sampling.mutable_stop_token_ids()->Assign(stops.begin(), stops.end());
  return sampling;
}

v1::SamplingParams EvalSampling(const v1::RunConfig& config,
                                v1::SamplingParams sampling) {
  sampling.set_temperature(static_cast<float>(config.eval().temperature()));
  sampling.set_top_p(static_cast<float>(config.eval().top_p()));
  sampling.set_top_k(static_cast<int32_t>(config.eval().top_k()));
  return sampling;
}

}  // namespace

absl::StatusOr<std::vector<int32_t>> StopTokenIds(const v1::RunConfig& config,
                                                  const ModelConfig& model) {
  const auto& given = config.rollout().stop_token_ids();
  std::vector<int32_t> ids(given.begin(), given.end());
  if (ids.empty()) ids = model.eos_token_ids;
  for (int32_t id : ids) {
    if (id >= 0 && id < model.vocab_size) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("rollout.stop_token_ids: ", id, ", expected 0..",
                     model.vocab_size - 1));
  }
  if (!ids.empty()) return ids;
  return absl::FailedPreconditionError(
      "the model's config.json names no eos_token_id and "
      "rollout.stop_token_ids is empty: no response could ever end; set it");
}

absl::StatusOr<absl::flat_hash_set<std::string>> LoadResponseTexts(
    const std::string& path, const Tokenizer& tokenizer) {
  ASSIGN_OR_RETURN(const std::vector<PromptRow> rows,
                   LoadDataset(path, &tokenizer, {.need_response = true}));
  absl::flat_hash_set<std::string> texts;
  for (const PromptRow& row : rows) texts.emplace(Trimmed(row.response));
  return texts;
}

absl::StatusOr<LearnerInputs> LoadLearnerInputs(const v1::RunConfig& config) {
  LearnerInputs inputs;
  auto model = LoadHfModel(config.model().path());
  if (!model.ok()) return Annotate(model.status(), "model.path");
  inputs.reference = *std::move(model);
  RETURN_IF_ERROR(CheckContext(config, inputs.reference.config));

  const std::string& given = config.tokenizer().path();
  auto tokenizer =
      Tokenizer::Load(given.empty() ? config.model().path() : given);
  if (!tokenizer.ok()) return Annotate(tokenizer.status(), "tokenizer.path");
  inputs.tokenizer = *std::move(tokenizer);

  ASSIGN_OR_RETURN(
      inputs.prompts,
      LoadPrompts("data.prompts", config.data().prompts(), config, inputs));
  if (!config.data().eval_prompts().empty()) {
    ASSIGN_OR_RETURN(inputs.eval_prompts,
                     LoadPrompts("data.eval_prompts",
                                 config.data().eval_prompts(), config, inputs));
  }
  if (!config.data().sft().empty()) {
    ASSIGN_OR_RETURN(inputs.training_responses,
                     LoadResponseTexts(config.data().sft(), *inputs.tokenizer));
  }
  if (!config.data().sft_eval().empty()) {
    ASSIGN_OR_RETURN(inputs.real_rows, LoadDataset(config.data().sft_eval(),
                                                   inputs.tokenizer.get(),
                                                   {.need_response = true}));
  }
  ASSIGN_OR_RETURN(const std::vector<int32_t> stops,
                   StopTokenIds(config, inputs.reference.config));
  inputs.sampling = TrainingSampling(config, stops);
  inputs.eval_sampling = EvalSampling(config, inputs.sampling);
  return inputs;
}

}  // namespace operant::learner
