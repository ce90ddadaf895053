// Cosines and sines of rotary position embedding, as Hugging Face's Llama
// computes them: angle = position * theta^(-2i / head_dim) in fp32.
#ifndef OPERANT_COMMON_NN_ROTARY_TABLE_H_
#define OPERANT_COMMON_NN_ROTARY_TABLE_H_

#include <cstdint>
#include <vector>

#include "common/nn/model_config.h"

namespace operant {

class RotaryTable {
 public:
  RotaryTable(const ModelConfig& config, int64_t positions);

  // Makes room for positions 0..positions-1. Invalidates pointers.
  void Grow(int64_t positions);

  // [head_dim / 2] each.
  const float* cos(int64_t position) const {
    return cos_.data() + position * half_;
  }
  const float* sin(int64_t position) const {
    return sin_.data() + position * half_;
  }

 private:
  int64_t half_;
  int64_t positions_ = 0;
  std::vector<float> frequencies_;  // [head_dim / 2]
  std::vector<float> cos_;          // [positions, head_dim / 2]
  std::vector<float> sin_;
};

}  // namespace operant

#endif  // OPERANT_COMMON_NN_ROTARY_TABLE_H_
