// NCCL's maximum of floats forgets a NaN. As integers whose order is that of
// the floats, with every NaN above them all, it does not. Compiled by the cuda
// preset alone.
#ifndef OPERANT_LEARNER_NAN_ORDER_H_
#define OPERANT_LEARNER_NAN_ORDER_H_

#include <cstdint>

#include "cuda_runtime_api.h"

namespace operant::learner {

// In place, on device memory, in the order of `stream`. What ToOrder made of
// floats, FromOrder makes floats again; a NaN becomes a NaN.
cudaError_t ToOrder(float* data, int64_t elements, cudaStream_t stream);
cudaError_t ToOrder(double* data, int64_t elements, cudaStream_t stream);
cudaError_t FromOrder(float* data, int64_t elements, cudaStream_t stream);
cudaError_t FromOrder(double* data, int64_t elements, cudaStream_t stream);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_NAN_ORDER_H_
