// One forward pass's worth of experience as tensors on the training device.
#ifndef OPERANT_LEARNER_PASS_TENSORS_H_
#define OPERANT_LEARNER_PASS_TENSORS_H_

#include <cstdint>
#include <span>

#include "ATen/core/Tensor.h"
#include "common/nn/causal_lm.h"
#include "learner/experience.h"

namespace operant::learner {

// The rows' response tokens one after another: n tokens, no padding.
struct PassTensors {
  TokenBatch sequences;
  at::Tensor states;   // [n] int64: where s_t is among the unpadded positions
  at::Tensor targets;  // [n] int64: a_t
  at::Tensor old_logp, sampler_logp, old_values, advantages, returns;  // [n]
  at::Tensor weights;  // [n]: each row's weight, once a token
};

// Tokens of a row's pass: prompt and response but for the last token, since
// nothing is trained on what would follow it.
int64_t PassLength(const Experience& experience, int64_t row);

// `rows` is not empty; `row_weights` is indexed by row, [B].
PassTensors GatherPass(const Experience& experience,
                       std::span<const int64_t> rows,
                       std::span<const float> row_weights, at::Device device);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_PASS_TENSORS_H_
