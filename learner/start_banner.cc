#include "learner/start_banner.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/run/process_stats.h"

namespace operant::learner {
namespace {

std::string ModelLine(const v1::RunConfig& config, const ModelConfig& model) {
  return absl::StrFormat(
      "%s (%s, %.2f M parameters, %d layers, width %d, vocabulary %d)",
      config.model().path(), model.model_type, ParameterCount(model) / 1e6,
      model.num_hidden_layers, model.hidden_size, model.vocab_size);
}

std::string RewardLine(const std::vector<v1::GetInfoResponse>& rewards) {
  return absl::StrJoin(rewards, "; ",
                       [](std::string* out, const v1::GetInfoResponse& info) {
                         absl::StrAppend(out, info.name(), " ", info.version());
                       });
}

std::string EndLine(const v1::LearnerSection& learner) {
  std::vector<std::string> limits;
  if (learner.steps() > 0)
    limits.push_back(absl::StrCat(learner.steps(), " steps"));
  if (learner.max_seconds() > 0)
    limits.push_back(absl::StrCat(learner.max_seconds(), " s of training"));
  return absl::StrJoin(limits, " or ");
}

}  // namespace

std::string BatchArithmetic(const v1::RunConfig& config) {
  const v1::LearnerSection& l = config.learner();
  const uint32_t responses = l.prompts_per_step() * l.samples_per_prompt();
  const uint32_t minibatch =
      l.minibatch_samples() > 0 ? l.minibatch_samples() : responses;
  std::string text =
      absl::StrCat(l.prompts_per_step(), " prompts x ", l.samples_per_prompt(),
                   " = ", responses, " responses a step -> ",
                   responses / minibatch, " minibatch(es) x ", minibatch,
                   ", micro-batches of ", l.microbatch_tokens(), " tokens");
  if (config.ppo().train_fraction() < 1) {
    absl::StrAppendFormat(&text, ", gradients of %.0f %% of them",
                          100 * config.ppo().train_fraction());
  }
  return text;
}

std::string StartBanner(const v1::RunConfig& config,
                        const LearnerInputs& inputs,
                        const std::vector<v1::GetInfoResponse>& rewards,
                        const std::string& run_path, uint64_t step) {
  std::string out;
  const auto line = [&](const char* name, const std::string& text) {
    absl::StrAppendFormat(&out, "  %-10s %s\n", name, text);
  };
  absl::StrAppend(&out, "\nOperant: ",
                  step > 0 ? absl::StrCat("going on after step ", step)
                           : std::string("a new run"),
                  "\n");
  line("run", run_path);
  line("model", ModelLine(config, inputs.reference.config));
  line("prompts",
       absl::StrCat(config.data().prompts(), " (", inputs.prompts.size(),
                    " rows, ", inputs.eval_prompts.size(), " held out)"));
  line("rewards", RewardLine(rewards));
  line("batch", BatchArithmetic(config));
  line("overlap", absl::StrCat("staleness ", config.learner().staleness()));
  line("threads", absl::StrCat("learner ", config.learner().threads(),
                               ", rollout ", config.rollout().workers(), " x ",
                               config.rollout().threads(), " on ", CpuName()));
  line("ends after", EndLine(config.learner()));
  out += '\n';
  return out;
}

}  // namespace operant::learner
