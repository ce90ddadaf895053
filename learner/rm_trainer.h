// The tensors of reward-model training: decoder, head, optimiser, loss.
#ifndef OPERANT_LEARNER_RM_TRAINER_H_
#define OPERANT_LEARNER_RM_TRAINER_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/nn/adamw.h"
#include "common/nn/causal_lm.h"
#include "common/nn/sequence_classifier.h"
#include "operant/v1/config.pb.h"

namespace operant::learner {

// A pair as the model reads it.
struct TokenPair {
  std::vector<int32_t> chosen;  // not empty
  std::vector<int32_t> rejected;
  double margin = 0;

  int64_t longest() const {
    return static_cast<int64_t>(std::max(chosen.size(), rejected.size()));
  }
};

struct RmStep {
  double loss = 0;      // of a pair
  double accuracy = 0;  // share of pairs with r_chosen > r_rejected
  AdamWStep optimiser;
};

// Of the scores of some pairs' both sides.
struct RmEvaluation {
  double accuracy = 0;
  double mean = 0;  // of all scores
  double std = 0;
};

// Not thread-safe. Every function turns LibTorch's exceptions into a Status.
class RmTrainer {
 public:
  // FailedPrecondition: the device is not there.
  static absl::StatusOr<std::unique_ptr<RmTrainer>> Create(
      const v1::RunConfig& config, const SequenceClassifier& start);

  // One optimiser step on pairs `batch`: the gradient of the mean loss of the
  // batch, however it is cut into passes.
  absl::StatusOr<RmStep> Step(const std::vector<TokenPair>& pairs,
                              const std::vector<int64_t>& batch,
                              double learning_rate_scale);
  absl::StatusOr<RmEvaluation> Evaluate(const std::vector<TokenPair>& pairs);

  // The model now, in `start`'s form.
  absl::Status Export(SequenceClassifier& classifier) const;
  absl::Status Load(const SequenceClassifier& classifier);
  absl::Status SaveOptimiser(const std::string& path) const {
    return optimiser_->Save(path);
  }
  absl::Status LoadOptimiser(const std::string& path) {
    return optimiser_->Load(path);
  }

 private:
  RmTrainer(const v1::RunConfig& config, Device device)
      : section_(config.rm()),
        pass_tokens_(config.learner().microbatch_tokens()),
        device_(device) {}

  using Pass = std::span<const int64_t>;
  std::vector<std::vector<int64_t>> PassesOf(
      const std::vector<TokenPair>& pairs,
      const std::vector<int64_t>& batch) const;
  // Scores of a pass: row 0 of the chosen, row 1 of the rejected, [2, M].
  at::Tensor Scores(const std::vector<TokenPair>& pairs, Pass pass);

  const v1::RmSection section_;
  const int64_t pass_tokens_;
  const Device device_;
  std::unique_ptr<CausalLm> model_;
  at::Tensor head_;  // [D]
  std::unique_ptr<AdamW> optimiser_;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_RM_TRAINER_H_
