// What a worker runs with: the run's configuration, as the coordinator sent it,
// under what was given on this machine.
#ifndef OPERANT_ROLLOUT_WORKER_SETTINGS_H_
#define OPERANT_ROLLOUT_WORKER_SETTINGS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "operant/v1/coordinator.pb.h"
#include "rollout/generation_engine.h"

namespace operant::rollout {

// 0 or empty: as the run's configuration says.
struct WorkerOverrides {
  int slots = 0;
  int threads = 0;
  std::string device;  // "auto", "cpu", "cuda"
  std::string dtype;   // "fp32", "bf16"
};

struct WorkerSettings {
  GenerationEngine::Options engine;
  absl::Duration push_deadline;
};

// Errors: DataLoss or Unimplemented (the model's config), InvalidArgument
// (configuration, device or dtype), FailedPrecondition (no such device, or the
// model's digest is not the coordinator's).
absl::StatusOr<WorkerSettings> ResolveWorkerSettings(
    const v1::RegisterResponse& registered, const WorkerOverrides& overrides,
    const std::string& worker_id);

}  // namespace operant::rollout

#endif  // OPERANT_ROLLOUT_WORKER_SETTINGS_H_
