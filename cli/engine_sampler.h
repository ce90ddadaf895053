// Samples a plan with one engine in this process, with the keys that a run's
// workers would use: equal weights give the responses that the run saw.
#ifndef OPERANT_CLI_ENGINE_SAMPLER_H_
#define OPERANT_CLI_ENGINE_SAMPLER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/nn/inference_model.h"
#include "common/nn/weight_image.h"
#include "learner/rollout_client.h"
#include "operant/v1/trajectory.pb.h"
#include "rollout/generation_engine.h"

namespace operant::cli {

// Not thread-safe.
class EngineSampler {
 public:
  // Errors: those of GenerationEngine::Create and of packing the weights.
  static absl::StatusOr<std::unique_ptr<EngineSampler>> Create(
      const HfModel& model, const InferenceModel::Options& options);

  // Every sample of the plan, by prompt and then sample index. Errors: those of
  // GenerationEngine::Submit; Cancelled (SIGINT or SIGTERM, shutdown.h).
  absl::StatusOr<std::vector<v1::Trajectory>> Generate(
      const learner::GenerationPlan& plan);

 private:
  explicit EngineSampler(std::unique_ptr<rollout::GenerationEngine> engine)
      : engine_(std::move(engine)) {}

  const std::unique_ptr<rollout::GenerationEngine> engine_;
};

}  // namespace operant::cli

#endif  // OPERANT_CLI_ENGINE_SAMPLER_H_
