// The decoder written as plainly as its equations, in double precision, one
// sequence at a time: what the engines are compared with.
#ifndef OPERANT_TESTS_COMMON_NN_REFERENCE_DECODER_H_
#define OPERANT_TESTS_COMMON_NN_REFERENCE_DECODER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "common/nn/model_config.h"
#include "common/nn/weight_image.h"

namespace operant {

struct ReferenceOutput {
  std::vector<std::vector<double>> hidden;  // [T][D], after the final norm
  std::vector<std::vector<double>> logits;  // [T][V]
};

ReferenceOutput ReferenceForward(const ModelConfig& config,
                                 const WeightImage& weights,
                                 std::span<const int32_t> tokens);

// log softmax(logits / temperature).
std::vector<double> LogSoftmax(std::span<const double> logits,
                               double temperature);

// A model with every size odd where it may be; `heads` query heads share
// `kv_heads`.
struct ModelShape {
  int64_t heads = 4;
  int64_t kv_heads = 2;
  int64_t head_dim = 6;
  bool biases = false;
  bool tied = false;
};
ModelConfig OddModel(const ModelShape& shape);

// Random weights of about the size a trained model has; norms near 1.
WeightImage RandomWeights(const ModelConfig& config, uint64_t seed);

// `count` ids below the vocabulary's size.
std::vector<int32_t> RandomTokens(const ModelConfig& config, int count,
                                  uint64_t seed);

}  // namespace operant

#endif  // OPERANT_TESTS_COMMON_NN_REFERENCE_DECODER_H_
