#include "common/nn/cpu_decoder.h"

#include <algorithm>
#include <cmath>

namespace operant {
namespace {

int64_t QueryWidth(const ModelConfig& c) {
  return c.num_attention_heads * c.head_dim;
}

int64_t QkvWidth(const ModelConfig& c) {
  return QueryWidth(c) + 2 * c.num_key_value_heads * c.head_dim;
}

}  // namespace

CpuDecoder::CpuDecoder(const CpuKernels& kernels, const ModelConfig& config,
                       const RotaryTable& rotary)
    : kernels_(kernels),
      config_(config),
      rotary_(rotary),
      hidden_(kTileRows * config.hidden_size),
      normalised_(kTileRows * config.hidden_size),
      qkv_(kTileRows * QkvWidth(config)),
      attended_(kTileRows * QueryWidth(config)),
      gate_up_(kTileRows * 2 * config.intermediate_size),
      activated_(kTileRows * config.intermediate_size) {}

void CpuDecoder::RunLayers(const CpuWeights& weights,
                           std::span<const TokenRow> rows, KvCache& cache) {
  rows_ = rows;
  Embed(weights);
  for (int64_t i = 0; i < config_.num_hidden_layers; ++i) {
    const CpuLayer& layer = weights.layers[static_cast<size_t>(i)];
    Attention(layer, i, cache);
    FeedForward(layer);
  }
}

void CpuDecoder::Normalise(const CpuWeights& weights, int64_t row,
                           float* out) const {
  const int64_t d = config_.hidden_size;
  kernels_.rms_norm(hidden_.data() + row * d, weights.final_norm.data(), d,
                    static_cast<float>(config_.rms_norm_eps), out);
}

void CpuDecoder::Embed(const CpuWeights& weights) {
  const int64_t d = config_.hidden_size;
  float* out = hidden_.data();
  for (const TokenRow& row : rows_) {
    out = std::copy_n(weights.embedding.data() + row.token * d, d, out);
  }
}

void CpuDecoder::NormaliseRows(const std::vector<float>& weight) {
  const int64_t d = config_.hidden_size;
  for (int64_t row = 0; row < count(); ++row) {
    kernels_.rms_norm(hidden_.data() + row * d, weight.data(), d,
                      static_cast<float>(config_.rms_norm_eps),
                      normalised_.data() + row * d);
  }
}

void CpuDecoder::Attention(const CpuLayer& layer, int64_t index,
                           KvCache& cache) {
  NormaliseRows(layer.attention_norm);
  Multiply(layer.qkv, normalised_.data(), count(), qkv_.data(), false);
  // Row by row, while its part of the cache is near. Rows of one sequence are
  // in the order of their positions, so what a row attends to is stored.
  for (int64_t row = 0; row < count(); ++row) {
    StoreKeyValue(index, row, cache);
    Attend(index, row, cache);
  }
  Multiply(layer.output, attended_.data(), count(), hidden_.data(), true);
}

void CpuDecoder::StoreKeyValue(int64_t layer, int64_t row, KvCache& cache) {
  const TokenRow& token = rows_[static_cast<size_t>(row)];
  const int64_t dh = config_.head_dim;
  float* key = qkv_.data() + row * QkvWidth(config_) + QueryWidth(config_);
  const float* value = key + config_.num_key_value_heads * dh;
  for (int64_t head = 0; head < config_.num_key_value_heads; ++head) {
    kernels_.rotate(key, rotary_.cos(token.position),
                    rotary_.sin(token.position), dh, 1.0f);
    cache.Store({layer, token.first_block, token.position, head}, key, value);
    key += dh;
    value += dh;
  }
}

void CpuDecoder::Attend(int64_t layer, int64_t row, const KvCache& cache) {
  const TokenRow& token = rows_[static_cast<size_t>(row)];
  const int64_t dh = config_.head_dim;
  const int64_t positions = token.position + 1;
  const int64_t group =
      config_.num_attention_heads / config_.num_key_value_heads;
  const float scale = 1.0f / std::sqrt(static_cast<float>(dh));
  const auto scores =
      static_cast<size_t>(BlocksFor(positions)) * kBlockPositions;
  if (scores_.size() < scores) scores_.resize(2 * scores);
  for (int64_t head = 0; head < config_.num_attention_heads; ++head) {
    float* query = qkv_.data() + row * QkvWidth(config_) + head * dh;
    kernels_.rotate(query, rotary_.cos(token.position),
                    rotary_.sin(token.position), dh, scale);
    kernels_.attend(
        {.query = query,
         .block = cache.Head(layer, token.first_block, head / group),
         .block_stride = cache.block_stride(),
         .positions = positions,
         .head_dim = dh,
         .value_stride = cache.value_stride(),
         .scores = scores_.data(),
         .out = attended_.data() + row * QueryWidth(config_) + head * dh});
  }
}

void CpuDecoder::FeedForward(const CpuLayer& layer) {
  const int64_t f = config_.intermediate_size;
  NormaliseRows(layer.ffn_norm);
  Multiply(layer.gate_up, normalised_.data(), count(), gate_up_.data(), false);
  for (int64_t row = 0; row < count(); ++row) {
    const float* gate = gate_up_.data() + row * 2 * f;
    kernels_.swiglu(gate, gate + f, f, activated_.data() + row * f);
  }
  Multiply(layer.down, activated_.data(), count(), hidden_.data(), true);
}

}  // namespace operant
