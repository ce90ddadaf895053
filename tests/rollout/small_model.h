// A model that runs in microseconds and whose responses vary.
#ifndef OPERANT_TESTS_ROLLOUT_SMALL_MODEL_H_
#define OPERANT_TESTS_ROLLOUT_SMALL_MODEL_H_

#include <cstdint>

#include "common/base/philox.h"
#include "common/nn/model_config.h"
#include "common/nn/weight_image.h"

namespace operant {

inline ModelConfig SmallModel() {
  ModelConfig config;
  config.vocab_size = 50;
  config.hidden_size = 24;
  config.intermediate_size = 40;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 6;
  config.max_position_embeddings = 96;
  return config;
}

// Random weights; the same for the same seed.
inline WeightImage SmallWeights(uint64_t seed) {
  WeightImage image = WeightImage::ForModel(SmallModel(), WeightType::kF32);
  auto* out = reinterpret_cast<float*>(image.bytes().data());
  for (size_t i = 0; i < image.bytes().size() / sizeof(float); ++i) {
    const uint64_t bits = PhiloxUint64(seed, 0, i) >> 40;  // 24 of them
    out[i] = static_cast<float>(bits) / (1 << 24) - 0.5f;
  }
  return image;
}

}  // namespace operant

#endif  // OPERANT_TESTS_ROLLOUT_SMALL_MODEL_H_
