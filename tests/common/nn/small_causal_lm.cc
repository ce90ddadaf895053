#include "tests/common/nn/small_causal_lm.h"

#include <torch/torch.h>

#include <algorithm>

namespace operant {

ModelConfig SmallModel() {
  ModelConfig config;
  config.vocab_size = 53;
  config.hidden_size = 24;
  config.intermediate_size = 40;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 10;
  config.max_position_embeddings = 32;
  return config;
}

std::unique_ptr<CausalLm> RandomModel(const ModelConfig& config, uint64_t seed,
                                      const CausalLm::Options& options) {
  auto model = CausalLm::Create(config, options);
  model->InitRandom(seed);
  return model;
}

TokenBatch Batch(const std::vector<std::vector<int64_t>>& rows) {
  size_t longest = 0;
  for (const auto& row : rows) longest = std::max(longest, row.size());
  const auto count = static_cast<int64_t>(rows.size());
  TokenBatch batch = {
      at::zeros({count, static_cast<int64_t>(longest)}, at::kLong),
      at::zeros({count}, at::kLong)};
  for (int64_t b = 0; b < count; ++b) {
    batch.lengths[b] = static_cast<int64_t>(rows[b].size());
    for (size_t i = 0; i < rows[b].size(); ++i) {
      batch.tokens[b][static_cast<int64_t>(i)] = rows[b][i];
    }
  }
  return batch;
}

void ScaleMatrices(CausalLm& model, double matrices) {
  const at::NoGradGuard no_grad;
  for (auto& [name, parameter] : model.Parameters()) {
    if (parameter.dim() == 2) parameter.mul_(matrices);
  }
}

}  // namespace operant
