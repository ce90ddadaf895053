#include <algorithm>
#include <climits>

#include "learner/nan_order.h"

namespace operant::learner {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMostBlocks = 1024;  // each thread takes several elements

// Negative floats are in the opposite order as integers: flip all but the sign.
// Its own inverse.
__device__ int32_t Flip(int32_t bits) {
  return bits ^ ((bits >> 31) & INT32_MAX);
}
__device__ int64_t Flip(int64_t bits) {
  return bits ^ ((bits >> 63) & INT64_MAX);
}

__device__ int32_t Ordered(float value) {
  return value != value ? INT32_MAX : Flip(__float_as_int(value));
}
__device__ int64_t Ordered(double value) {
  return value != value ? INT64_MAX
                        : Flip(int64_t{__double_as_longlong(value)});
}

template <typename Float, typename Integer>
__global__ void ToOrderKernel(Float* data, int64_t elements) {
  const int64_t step = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < elements;
       i += step) {
    reinterpret_cast<Integer*>(data)[i] = Ordered(data[i]);
  }
}

template <typename Integer>
__global__ void FlipKernel(Integer* data, int64_t elements) {
  const int64_t step = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < elements;
       i += step) {
    data[i] = Flip(data[i]);
  }
}

int Blocks(int64_t elements) {
  const int64_t needed = (elements + kThreads - 1) / kThreads;
  return static_cast<int>(std::clamp<int64_t>(needed, 1, kMostBlocks));
}

}  // namespace

cudaError_t ToOrder(float* data, int64_t elements, cudaStream_t stream) {
  ToOrderKernel<float, int32_t>
      <<<Blocks(elements), kThreads, 0, stream>>>(data, elements);
  return cudaGetLastError();
}

cudaError_t ToOrder(double* data, int64_t elements, cudaStream_t stream) {
  ToOrderKernel<double, int64_t>
      <<<Blocks(elements), kThreads, 0, stream>>>(data, elements);
  return cudaGetLastError();
}

// The largest integer is the bits of a NaN.
cudaError_t FromOrder(float* data, int64_t elements, cudaStream_t stream) {
  FlipKernel<<<Blocks(elements), kThreads, 0, stream>>>(
      reinterpret_cast<int32_t*>(data), elements);
  return cudaGetLastError();
}

cudaError_t FromOrder(double* data, int64_t elements, cudaStream_t stream) {
  FlipKernel<<<Blocks(elements), kThreads, 0, stream>>>(
      reinterpret_cast<int64_t*>(data), elements);
  return cudaGetLastError();
}

}  // namespace operant::learner
