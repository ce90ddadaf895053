// Activation checkpointing (Chen et al., arXiv 1604.06174): a part of a model
// that keeps its input alone for the backward pass and is run again there.
#ifndef OPERANT_COMMON_NN_RECOMPUTE_H_
#define OPERANT_COMMON_NN_RECOMPUTE_H_

#include <functional>
#include <vector>

#include "ATen/core/Tensor.h"

namespace operant {

// A differentiable function of `x` and of `parameters`, the same every time it
// is called: what else it reads must not change between a forward pass and its
// backward pass.
using Segment = std::function<at::Tensor(
    const at::Tensor& x, const std::vector<at::Tensor>& parameters)>;

// segment(x, parameters). With gradients enabled, nothing but the arguments is
// kept; the backward pass calls the segment once more. A parameter's gradient
// arrives once a backward pass, like that of any operator: hooks on it fire
// once. `parameters` are all that the segment differentiates besides x, and it
// must use each. No second derivatives.
at::Tensor Recomputed(Segment segment, const at::Tensor& x,
                      const std::vector<at::Tensor>& parameters);

}  // namespace operant

#endif  // OPERANT_COMMON_NN_RECOMPUTE_H_
