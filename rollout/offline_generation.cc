#include "rollout/offline_generation.h"

#include <algorithm>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/status_macros.h"
#include "rollout/generation_engine.h"

namespace operant::rollout {
namespace {

// An engine that makes no progress for so long hangs.
constexpr absl::Duration kSwapTimeout = absl::Minutes(1);
constexpr absl::Duration kIdlePoll = absl::Minutes(1);
// Rows that are scored in one call, so that results arrive in bounded memory.
constexpr size_t kRowsPerCall = 256;

absl::Status AtRow(size_t row, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat("row ", row, ": ", status.message()));
}

// Takes the finished trajectories of one call from the engine's thread.
class Responses {
 public:
  explicit Responses(size_t count) : responses_(count) {}

  void Take(size_t row, const v1::Trajectory& t) {
    absl::MutexLock lock(&mu_);
    OfflineResponse& r = responses_[row];
    r.token_ids.assign(t.response_token_ids().begin(),
                       t.response_token_ids().end());
    r.logprobs.assign(t.response_logprobs().begin(),
                      t.response_logprobs().end());
    r.finish = t.finish();
  }

  // All of them, once the engine is idle. Internal if one failed.
  absl::StatusOr<std::vector<OfflineResponse>> Release() {
    absl::MutexLock lock(&mu_);
    for (size_t row = 0; row < responses_.size(); ++row) {
      const v1::FinishReason finish = responses_[row].finish;
      if (finish == v1::FINISH_REASON_STOP ||
          finish == v1::FINISH_REASON_LENGTH) {
        continue;
      }
      return absl::InternalError(
          absl::StrCat("generate: row ", row,
                       " failed, expected a response; the log names "
                       "the reason"));
    }
    return std::move(responses_);
  }

 private:
  absl::Mutex mu_;
  std::vector<OfflineResponse> responses_ ABSL_GUARDED_BY(mu_);
};

class Offline : public OfflineModel {
 public:
  Offline(HfModel model, const InferenceModel::Options& options)
      : model_(std::move(model)), options_(options) {}

  absl::StatusOr<std::vector<OfflineResponse>> Generate(
      std::span<const std::vector<int32_t>> prompts, const Sampling& sampling,
      uint64_t seed) override {
    if (prompts.empty()) return std::vector<OfflineResponse>();
    RETURN_IF_ERROR(ValidateSampling(sampling, model_.config.vocab_size));
    RETURN_IF_ERROR(StartEngine(PositionsFor(prompts, sampling)));
    Responses responses(prompts.size());
    absl::Status status;
    for (size_t row = 0; row < prompts.size() && status.ok(); ++row) {
      auto group = std::make_shared<SampleGroup>();
      group->group_id = absl::StrCat(row);
      group->prompt_token_ids = prompts[row];
      group->sampling = sampling;
      group->run_seed = seed;
      group->prompt_cursor = row;
      status = SubmitRow(row, std::move(group), responses);
    }
    // Whatever was accepted must end before `responses` does.
    if (!status.ok()) engine_->AbortAll();
    while (!engine_->WaitIdle(absl::Now() + kIdlePoll)) {
    }
    RETURN_IF_ERROR(status);
    return responses.Release();
  }

  absl::StatusOr<std::vector<std::vector<TokenScore>>> Score(
      std::span<const OfflineRow> rows, float temperature) override {
    RETURN_IF_ERROR(StartScorer());
    std::vector<std::vector<TokenScore>> scores;
    for (size_t first = 0; first < rows.size(); first += kRowsPerCall) {
      const size_t count = std::min(kRowsPerCall, rows.size() - first);
      RETURN_IF_ERROR(
          ScoreRows(rows.subspan(first, count), first, temperature, scores));
    }
    return scores;
  }

  const ModelConfig& config() const override { return model_.config; }

 private:
  // Positions that the longest row may take.
  int PositionsFor(std::span<const std::vector<int32_t>> prompts,
                   const Sampling& sampling) const {
    size_t longest = 0;
    for (const auto& prompt : prompts) {
      longest = std::max(longest, prompt.size());
    }
    return static_cast<int>(std::min<int64_t>(
        static_cast<int64_t>(longest) + sampling.max_response_tokens,
        model_.config.max_position_embeddings));
  }

  // Caches are made as long as the call needs them, not as the model allows.
  absl::Status StartEngine(int positions) {
    if (engine_ != nullptr && positions <= engine_positions_) {
      return absl::OkStatus();
    }
    engine_.reset();
    InferenceModel::Options options = options_;
    options.max_positions = positions;
    ASSIGN_OR_RETURN(
        std::unique_ptr<GenerationEngine> engine,
        GenerationEngine::Create({.model = model_.config, .inference = options},
                                 nullptr, nullptr));
    ASSIGN_OR_RETURN(auto packed, engine->Pack(*model_.weights));
    const ActivePolicy policy = {0, "", std::move(packed)};
    RETURN_IF_ERROR(engine->Swap(policy, absl::Now() + kSwapTimeout).status());
    engine_ = std::move(engine);
    engine_positions_ = positions;
    return absl::OkStatus();
  }

  absl::Status StartScorer() {
    if (scorer_ != nullptr) return absl::OkStatus();
    InferenceModel::Options options = options_;
    options.slots = 1;
    options.max_positions = 1;  // scoring has caches of its own
    ASSIGN_OR_RETURN(std::unique_ptr<InferenceModel> scorer,
                     InferenceModel::Create(model_.config, options));
    ASSIGN_OR_RETURN(auto packed, scorer->Pack(*model_.weights));
    scorer->Use(std::move(packed));
    scorer_ = std::move(scorer);
    return absl::OkStatus();
  }

  // Waits for room in the queue.
  absl::Status SubmitRow(size_t row, std::shared_ptr<const SampleGroup> group,
                         Responses& responses) {
    SampleRequest request;
    request.group = std::move(group);
    request.trajectory_id = absl::StrCat(row);
    request.on_finished = [row, &responses](v1::Trajectory trajectory) {
      responses.Take(row, trajectory);
    };
    absl::Status status = engine_->Submit({request});
    while (absl::IsResourceExhausted(status)) {
      engine_->WaitIdle(absl::Now() + kIdlePoll);
      status = engine_->Submit({request});
    }
    return status.ok() ? status : AtRow(row, status);
  }

  // Appends the scores of `rows`, the first of which is row `first`.
  absl::Status ScoreRows(std::span<const OfflineRow> rows, size_t first,
                         float temperature,
                         std::vector<std::vector<TokenScore>>& scores) {
    std::vector<std::vector<int32_t>> texts;
    std::vector<SequenceTokens> sequences;
    texts.reserve(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      RETURN_IF_ERROR(CheckRow(rows[i], first + i));
      std::vector<int32_t> text = rows[i].prompt_token_ids;
      text.insert(text.end(), rows[i].response_token_ids.begin(),
                  rows[i].response_token_ids.end());
      texts.push_back(std::move(text));
      sequences.push_back({texts.back(), static_cast<int32_t>(
                                             rows[i].prompt_token_ids.size())});
    }
    std::vector<TokenScore> flat;
    RETURN_IF_ERROR(scorer_->Score(sequences, temperature, nullptr, flat));
    auto next = flat.begin();
    for (const OfflineRow& row : rows) {
      const auto end =
          next + static_cast<int64_t>(row.response_token_ids.size());
      scores.emplace_back(next, end);
      next = end;
    }
    return absl::OkStatus();
  }

  absl::Status CheckRow(const OfflineRow& row, size_t index) const {
    const size_t tokens =
        row.prompt_token_ids.size() + row.response_token_ids.size();
    const int64_t context = model_.config.max_position_embeddings;
    if (row.prompt_token_ids.empty() || row.response_token_ids.empty() ||
        static_cast<int64_t>(tokens) > context) {
      return absl::InvalidArgumentError(absl::StrCat(
          "row ", index, ": prompt tokens=", row.prompt_token_ids.size(),
          ", response tokens=", row.response_token_ids.size(),
          ", expected at least 1 of each and at most ", context, " together"));
    }
    for (const auto* ids : {&row.prompt_token_ids, &row.response_token_ids}) {
      for (const int32_t id : *ids) {
        if (id >= 0 && id < model_.config.vocab_size) continue;
        return absl::InvalidArgumentError(
            absl::StrCat("row ", index, ": token_id=", id, ", expected 0..",
                         model_.config.vocab_size - 1));
      }
    }
    return absl::OkStatus();
  }

  const HfModel model_;
  const InferenceModel::Options options_;
  std::unique_ptr<GenerationEngine> engine_;  // made by Generate
  int engine_positions_ = 0;
  std::unique_ptr<InferenceModel> scorer_;  // made by Score
};

}  // namespace

absl::StatusOr<std::unique_ptr<OfflineModel>> OfflineModel::Open(
    const std::string& folder, const InferenceModel::Options& options) {
  ASSIGN_OR_RETURN(HfModel model, LoadHfModel(folder));
  return FromModel(std::move(model), options);
}

absl::StatusOr<std::unique_ptr<OfflineModel>> OfflineModel::FromModel(
    HfModel model, const InferenceModel::Options& options) {
  if (model.weights == nullptr) {
    return absl::InvalidArgumentError("open model: expected weights");
  }
  return std::make_unique<Offline>(std::move(model), options);
}

}  // namespace operant::rollout
