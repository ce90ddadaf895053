#include "learner/model_options.h"

namespace operant::learner {

CausalLm::Options ModelOptions(const v1::RunConfig& config, Device device) {
  return {.device = device,
          .compute = config.learner().dtype() == "bf16" ? ComputeType::kBf16
                                                        : ComputeType::kFp32,
          .recompute = config.learner().recompute() == "layer"
                           ? Recompute::kLayer
                           : Recompute::kNone};
}

}  // namespace operant::learner
