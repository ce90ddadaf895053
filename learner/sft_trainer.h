// The tensors of supervised training: model, optimiser, loss.
#ifndef OPERANT_LEARNER_SFT_TRAINER_H_
#define OPERANT_LEARNER_SFT_TRAINER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/nn/adamw.h"
#include "common/nn/causal_lm.h"
#include "learner/sft_data.h"
#include "learner/sft_start.h"
#include "operant/v1/config.pb.h"

namespace operant::learner {

struct SftStep {
  double loss = 0;     // nats per trained token
  int64_t tokens = 0;  // read, prompts included
  AdamWStep optimiser;
};

// Not thread-safe. Every function turns LibTorch's exceptions into a Status.
class SftTrainer {
 public:
  // Weights of `start`, or random ones of run.seed. FailedPrecondition: the
  // device is not there.
  static absl::StatusOr<std::unique_ptr<SftTrainer>> Create(
      const v1::RunConfig& config, const SftStart& start);

  // One optimiser step on the rows `batch` of `rows`: the gradient of the mean
  // over all trained tokens of the batch, however it is cut into passes.
  absl::StatusOr<SftStep> Step(const std::vector<SftRow>& rows,
                               const std::vector<int64_t>& batch,
                               double learning_rate_scale);

  // exp of the mean negative log-prob of the trained tokens of `rows`.
  absl::StatusOr<double> Perplexity(const std::vector<SftRow>& rows);

  absl::StatusOr<WeightImage> Weights() const;
  // Optimiser state as one file; weights are loaded by Create.
  absl::Status SaveOptimiser(const std::string& path) const {
    return optimiser_->Save(path);
  }
  absl::Status LoadOptimiser(const std::string& path) {
    return optimiser_->Load(path);
  }
  absl::Status LoadWeights(const WeightImage& weights);

 private:
  SftTrainer(const v1::RunConfig& config, Device device)
      : pass_tokens_(config.learner().microbatch_tokens()), device_(device) {}

  at::Tensor LogProbSum(const std::vector<SftRow>& rows,
                        std::span<const int64_t> pass);
  std::vector<std::vector<int64_t>> PassesOf(
      const std::vector<SftRow>& rows, const std::vector<int64_t>& batch) const;

  const int64_t pass_tokens_;
  const Device device_;
  std::unique_ptr<CausalLm> model_;
  std::unique_ptr<AdamW> optimiser_;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_SFT_TRAINER_H_
