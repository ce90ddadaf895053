// Which GPU each process of a run sees when everything shares one machine.
#ifndef OPERANT_COMMON_RUN_GPU_PLAN_H_
#define OPERANT_COMMON_RUN_GPU_PLAN_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/run/machine_report.h"
#include "operant/v1/config.pb.h"

namespace operant {

// The GPUs that processes started here may use, as CUDA_VISIBLE_DEVICES names
// them: what it lists, else one number for each that NVIDIA's driver has below
// `root`/proc. Empty where the driver has none.
std::vector<std::string> UsableGpus(const std::string& root,
                                    const Environment& environment);

// For each process the GPU that it sees; empty: nothing is set for it.
struct GpuPlan {
  std::vector<std::string> ranks;    // of the learner
  std::vector<std::string> workers;  // of rollout.workers
};

// A rank has a GPU of its own: NCCL refuses two on one. Workers share out the
// others, or all where ranks take every one. A role whose device is cpu gets
// none. FailedPrecondition: more ranks than GPUs.
absl::StatusOr<GpuPlan> PlanGpus(const std::vector<std::string>& gpus,
                                 const v1::RunConfig& config);

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_GPU_PLAN_H_
