// A Llama of a few hundred weights and images of it.
#ifndef OPERANT_TESTS_TESTING_TINY_WEIGHTS_H_
#define OPERANT_TESTS_TESTING_TINY_WEIGHTS_H_

#include <cstdint>
#include <cstring>
#include <memory>

#include "common/base/philox.h"
#include "common/nn/model_config.h"
#include "common/nn/weight_image.h"

namespace operant {

inline ModelConfig TinyModel() {
  ModelConfig config;
  config.vocab_size = 11;
  config.hidden_size = 8;
  config.intermediate_size = 12;
  config.num_hidden_layers = 1;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.head_dim = 4;
  config.max_position_embeddings = 16;
  config.tie_word_embeddings = true;
  return config;
}

// Small random weights; the same for the same seed.
inline std::shared_ptr<const WeightImage> TinyImage(uint64_t seed) {
  auto image = std::make_shared<WeightImage>(
      WeightImage::ForModel(TinyModel(), WeightType::kF32));
  for (size_t i = 0; i * sizeof(float) < image->bytes().size(); ++i) {
    const uint64_t bits = PhiloxUint64(seed, 0, i) >> 40;  // 24 of them
    const float value = static_cast<float>(bits) / (1 << 24) - 0.5f;
    std::memcpy(image->bytes().data() + i * sizeof(float), &value,
                sizeof(value));
  }
  return image;
}

}  // namespace operant

#endif  // OPERANT_TESTS_TESTING_TINY_WEIGHTS_H_
