#include "common/nn/cuda_backend.h"

#include <dlfcn.h>
#include <torch/torch.h>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/nn/torch_status.h"

namespace operant {
namespace {

// For the life of the process. Its static initialisers register what it is for.
absl::Status Load(const char* library, const char* what) {
  if (dlopen(library, RTLD_NOW | RTLD_GLOBAL) != nullptr)
    return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(what, " cannot be loaded: ", dlerror()));
}

absl::Status LoadAndCount() {
  RETURN_IF_ERROR(Load("libcuda.so.1", "NVIDIA's driver"));
  RETURN_IF_ERROR(Load("libtorch_cuda.so", "LibTorch's CUDA half"));
  return CatchTorch("count CUDA devices", [] {
    return torch::cuda::is_available()
               ? absl::OkStatus()
               : absl::FailedPreconditionError(
                     "NVIDIA's driver and LibTorch find no device");
  });
}

}  // namespace

absl::Status CudaStatus() {
  static const absl::Status* const status = new absl::Status(LoadAndCount());
  return *status;
}

}  // namespace operant
