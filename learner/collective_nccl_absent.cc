// In place of collective_nccl.cc in a build without a CUDA tool chain.
#include "learner/collective.h"

namespace operant::learner {

absl::StatusOr<std::unique_ptr<Collective>> CreateNcclCollective(
    const CollectiveOptions&) {
  return absl::FailedPreconditionError(
      "ranks cannot meet: learner.collective=nccl, and this build has no NCCL; "
      "set learner.collective=gloo and learner.device=cpu, or build with "
      "PRESET=cuda");
}

}  // namespace operant::learner
