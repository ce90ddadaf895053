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
#include "learner/collective.h"
#include "learner/experience_builder.h"
#include "learner/ppo_update.h"
#include "learner/trace_writer.h"
#include "operant/v1/config.pb.h"

namespace operant::learner {

// Not thread-safe: the learner's main thread owns it.
class PolicyTrainer {
 public:
  // Starts as `start`; the reference stays `reference`. `config` is resolved.
  // With several ranks each has a trainer, and all make the same calls in the
  // same order with the same arguments (ranked_trainer.h). `collective` and
  // `trace`, which takes the passes' times and may be null, are not owned.
  // Errors: FailedPrecondition (the device is not there), those of the engines.
  static absl::StatusOr<std::unique_ptr<PolicyTrainer>> Create(
      const v1::RunConfig& config, const HfModel& start,
      const HfModel& reference, Collective* collective,
      TraceWriter* trace = nullptr);
  virtual ~PolicyTrainer() = default;

  // Parameters, optimiser and value head become rank 0's: before the first
  // step. Errors: the collective's.
  virtual absl::Status Synchronize() = 0;

  // Builds the experience of a scored batch, or of the share of it that
  // ppo.train_fraction selects, as the policy sees it now; the stats are of the
  // whole batch. Errors:
  // those of BuildExperience.
  virtual absl::StatusOr<BuiltExperience> Build(const ScoredBatch& batch,
                                                double kl_coefficient) = 0;

  // The optimiser steps of `step`. Errors: those of PpoUpdate; DataLoss (the
  // ranks' parameters differ, looked at every learner.digest_every_steps).
  virtual absl::StatusOr<UpdateStats> Update(const Experience& experience,
                                             uint64_t step,
                                             double learning_rate_scale) = 0;

  // The policy's weights now, fp32, in canonical order; a copy that later
  // updates leave alone.
  virtual std::shared_ptr<const WeightImage> Weights() const = 0;

  // The reference's engine, for the evaluation's KL.
  virtual InferenceModel& reference() = 0;

  // Optimiser and value head under `folder`/trainer_state/, the same for any
  // number of ranks: rank 0 saves while the others give (GiveState). Load is of
  // rank 0, before Synchronize, and strict: NotFound, DataLoss.
  virtual absl::Status SaveState(const std::string& folder) = 0;
  virtual absl::Status GiveState() = 0;
  virtual absl::Status LoadState(const std::string& folder) = 0;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_POLICY_TRAINER_H_
