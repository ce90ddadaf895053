// Products in bf16 of a model whose weights are fp32: operands are rounded to
// bf16, sums are fp32. What a product gives back is rounded to bf16 (it is the
// next one's operand), the gradient of a weight is not.
//
// Where the processor multiplies bf16 itself (AVX-512 BF16, AMX, CUDA),
// LibTorch's bf16 kernels do it; elsewhere the rounded operands are multiplied
// in fp32: the same arithmetic, no faster than fp32.
#ifndef OPERANT_COMMON_NN_BF16_PRODUCT_H_
#define OPERANT_COMMON_NN_BF16_PRODUCT_H_

#include <vector>

#include "ATen/core/Tensor.h"

namespace operant {

// x W^T + b of layers that share their input, outputs side by side. x [N, K] in
// fp32 or bf16; weights [M_i, K] and biases [M_i] (all or none) in fp32, the
// master copies, which alone are kept for the backward pass besides x in bf16.
// [N, sum M_i] bf16. Their gradients are fp32.
at::Tensor Bf16Linear(const at::Tensor& x,
                      const std::vector<at::Tensor>& weights,
                      const std::vector<at::Tensor>& biases);

// x as a bf16 operand, in fp32: for products whose result must not be rounded.
// The gradient passes unchanged.
at::Tensor RoundedToBf16(const at::Tensor& x);

namespace internal {

enum class Bf16Kernels {
  kNative,   // LibTorch's bf16 kernels; right everywhere, fast where they exist
  kWidened,  // fp32 kernels on widened operands
};
Bf16Kernels ChooseBf16Kernels(const at::Tensor& operand);

// a [N, K] times b [K, M], both bf16, as `result` (fp32 or bf16).
at::Tensor Bf16Product(const at::Tensor& a, const at::Tensor& b,
                       at::ScalarType result, Bf16Kernels kernels);

}  // namespace internal
}  // namespace operant

#endif  // OPERANT_COMMON_NN_BF16_PRODUCT_H_
