// How a policy does on held-out prompts: full responses, scored by the same
// reward servers, summarised.
#ifndef OPERANT_LEARNER_EVALUATION_H_
#define OPERANT_LEARNER_EVALUATION_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "common/nn/inference_model.h"
#include "common/reward_client/gateway.h"
#include "common/text/prompt_dataset.h"
#include "common/text/tokenizer.h"
#include "learner/rollout_client.h"

namespace operant::learner {

// One held-out response.
struct EvaluatedResponse {
  std::string prompt;
  std::string response;  // valid UTF-8
  v1::FinishReason finish = v1::FINISH_REASON_UNSPECIFIED;
  int tokens = 0;
  bool scored = false;  // false: the server ignored it, or it was dropped
  double score = 0;
  std::vector<std::string> faults;  // components that say what is wrong
  double kl = 0;  // sum over tokens of log pi - log pi_ref, nats

  bool haywire() const { return !faults.empty(); }
};

// What is asked of a policy.
struct EvaluationPlan {
  std::string run_id;
  uint64_t seed = 0;
  int samples = 2000;  // spread over the rows: each used equally often (+-1)
  v1::SamplingParams sampling;
  int32_t vocab_size = 0;
  uint64_t policy_version = 0;  // the one that must sample
};

class Evaluator {
 public:
  using Generate = std::function<absl::StatusOr<std::vector<v1::Trajectory>>(
      const GenerationPlan&)>;
  // Not owned; must outlive the evaluator.
  struct Parts {
    Generate generate;
    RewardGateway* rewards;
    const Tokenizer* tokenizer;
    InferenceModel* reference;  // for the KL; null: it is left at 0
  };

  // `rows`: the held-out prompts. `training_responses`: to find copies.
  Evaluator(std::vector<PromptRow> rows,
            absl::flat_hash_set<std::string> training_responses, Parts parts);

  // Every prompt's first sample, then every second, ... Errors: those of
  // generation and scoring.
  absl::StatusOr<std::vector<EvaluatedResponse>> Run(
      const EvaluationPlan& plan);

  const absl::flat_hash_set<std::string>& training_responses() const {
    return training_responses_;
  }

 private:
  absl::Status AddKl(const std::vector<v1::Trajectory>& trajectories,
                     float temperature, std::vector<EvaluatedResponse>& out);

  const std::vector<PromptRow> rows_;
  const absl::flat_hash_set<std::string> training_responses_;
  const Parts parts_;
};

// Components whose value 1 marks a haywire response (the well-formedness
// scorer's). For a server that names none of them, a response that never stops
// is the only fault that is known.
inline constexpr const char* kFaultComponents[] = {"loop", "garbage", "empty",
                                                   "nonstop"};

// The faults that `score` names, or that `finish` shows.
std::vector<std::string> FaultsOf(const ItemScore& score,
                                  v1::FinishReason finish);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_EVALUATION_H_
