// Factories of the two engines behind InferenceModel::Create. Each assumes
// options that Create has checked.
#ifndef OPERANT_COMMON_NN_INFERENCE_ENGINES_H_
#define OPERANT_COMMON_NN_INFERENCE_ENGINES_H_

#include <memory>

#include "absl/status/statusor.h"
#include "common/nn/cpu_kernels.h"
#include "common/nn/inference_model.h"

namespace operant {

// Own fp32 kernels. ResourceExhausted if the caches do not fit the memory.
absl::StatusOr<std::unique_ptr<InferenceModel>> CreateCpuInference(
    const ModelConfig& config, const InferenceModel::Options& options,
    const CpuKernels& kernels);

// LibTorch operators on any device.
absl::StatusOr<std::unique_ptr<InferenceModel>> CreateAtenInference(
    const ModelConfig& config, const InferenceModel::Options& options);

}  // namespace operant

#endif  // OPERANT_COMMON_NN_INFERENCE_ENGINES_H_
