// Everything of the learner that holds tensors: the policy in training, its
// value head and optimiser, and the engines that read it and the reference.
#ifndef OPERANT_LEARNER_POLICY_TRAINER_H_
#define OPERANT_LEARNER_POLICY_TRAINER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/nn/inference_model.h"
#include "common/nn/weight_image.h"
#include "learner/batch_source.h"
#include "learner/experience_builder.h"
#include "learner/ppo_update.h"
#include "operant/v1/config.pb.h"

namespace operant::learner {

// Not thread-safe: the learner's main thread owns it.
class PolicyTrainer {
 public:
  // Starts as `start`; the reference stays `reference`. `config` is resolved.
  // Errors: FailedPrecondition (the device is not there), those of the engines.
  static absl::StatusOr<std::unique_ptr<PolicyTrainer>> Create(
      const v1::RunConfig& config, const HfModel& start,
      const HfModel& reference);
  virtual ~PolicyTrainer() = default;

  // Builds the experience of a scored batch, or of the share of it that
  // ppo.train_fraction selects, as the policy sees it now; the stats are of the
  // whole batch. Errors:
  // those of BuildExperience.
  virtual absl::StatusOr<BuiltExperience> Build(const ScoredBatch& batch,
                                                double kl_coefficient) = 0;

  // The optimiser steps of `step`. Errors: those of PpoUpdate.
  virtual absl::StatusOr<UpdateStats> Update(const Experience& experience,
                                             uint64_t step,
                                             double learning_rate_scale) = 0;

  // The policy's weights now, fp32, in canonical order; a copy that later
  // updates leave alone.
  virtual std::shared_ptr<const WeightImage> Weights() const = 0;

  // The reference's engine, for the evaluation's KL.
  virtual InferenceModel& reference() = 0;

  // Optimiser and value head under `folder`/trainer_state/. Load is strict:
  // NotFound, DataLoss.
  virtual absl::Status SaveState(const std::string& folder) const = 0;
  virtual absl::Status LoadState(const std::string& folder) = 0;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_POLICY_TRAINER_H_
