// LibTorch's CUDA half. The program does not link it, so that one build runs
// with and without a GPU; it is loaded when a device is asked for.
#ifndef OPERANT_COMMON_NN_CUDA_BACKEND_H_
#define OPERANT_COMMON_NN_CUDA_BACKEND_H_

#include "absl/status/status.h"

namespace operant {

// OK where CUDA can be used; FailedPrecondition says what is missing: the
// driver, a library of LibTorch's CUDA half, or a device. The first call looks
// and, where there is a driver, loads (a second or so); later ones repeat its
// answer. LibTorch remembers what it found when it was first asked for CUDA:
// call this before anything else does. Thread-safe.
absl::Status CudaStatus();

inline bool CudaAvailable() { return CudaStatus().ok(); }

}  // namespace operant

#endif  // OPERANT_COMMON_NN_CUDA_BACKEND_H_
