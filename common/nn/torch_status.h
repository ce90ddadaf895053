// LibTorch's exceptions become a Status at named entry points; nowhere else.
#ifndef OPERANT_COMMON_NN_TORCH_STATUS_H_
#define OPERANT_COMMON_NN_TORCH_STATUS_H_

#include <string_view>

#include "absl/status/status.h"

namespace operant {

// Rethrows the exception in flight and classifies it: out of memory ->
// ResourceExhausted, NotImplementedError -> Unimplemented, DistNetworkError and
// DistStoreError -> Unavailable, DistBackendError -> Aborted, anything else ->
// Internal. The message is "<where>: <first KiB, no backtrace>".
absl::Status TorchExceptionStatus(std::string_view where);

// Runs `body`, which returns absl::Status, and turns what it throws into one.
template <typename Body>
absl::Status CatchTorch(std::string_view where, Body&& body) {
  try {
    return body();
  } catch (...) {
    return TorchExceptionStatus(where);
  }
}

}  // namespace operant

#endif  // OPERANT_COMMON_NN_TORCH_STATUS_H_
