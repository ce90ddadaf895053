#include "common/nn/inference_model.h"

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/nn/cpu_kernels.h"
#include "common/nn/cuda_backend.h"
#include "common/nn/inference_engines.h"

namespace operant {
namespace {

absl::Status CheckOptions(const InferenceModel::Options& options) {
  if (options.slots < 1 || options.threads < 1 || options.max_positions < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "inference options: slots=", options.slots, ", threads=",
        options.threads, ", max_positions=", options.max_positions,
        ", expected slots and threads of at least 1 and no negative number"));
  }
  if (options.device == Device::kCpu) return absl::OkStatus();
  const absl::Status cuda = CudaStatus();
  if (cuda.ok()) return cuda;
  return absl::FailedPreconditionError(absl::StrCat(
      "device=cuda: ", cuda.message(),
      "; use device=cpu, or on a machine with a GPU run deploy/setup.sh, which "
      "installs what CUDA needs"));
}

}  // namespace

absl::StatusOr<Device> ParseDevice(std::string_view name) {
  const bool cuda = name == "cuda" || (name == "auto" && CudaAvailable());
  if (!cuda && name != "cpu" && name != "auto") {
    return absl::InvalidArgumentError(absl::StrCat(
        "device=", std::string(name), ", expected auto, cpu or cuda"));
  }
  InferenceModel::Options options;
  options.device = cuda ? Device::kCuda : Device::kCpu;
  RETURN_IF_ERROR(CheckOptions(options));
  return options.device;
}

// The CPU kernels compute in fp32 only; bf16 goes through LibTorch.
absl::StatusOr<std::unique_ptr<InferenceModel>> InferenceModel::Create(
    const ModelConfig& config, const Options& options) {
  RETURN_IF_ERROR(CheckOptions(options));
  if (options.device == Device::kCpu && !options.force_aten &&
      options.compute == ComputeType::kFp32) {
    return CreateCpuInference(config, options, BestCpuKernels());
  }
  return CreateAtenInference(config, options);
}

}  // namespace operant
