#include "common/nn/kv_cache.h"

#include <cstring>

namespace operant {
namespace {

// The widest vector of any kernel table.
constexpr int64_t kPadding = 16;

}  // namespace

KvCache::KvCache(const ModelConfig& config, int64_t blocks)
    : layers_(config.num_hidden_layers),
      blocks_(blocks),
      head_dim_(config.head_dim),
      value_stride_((head_dim_ + kPadding - 1) / kPadding * kPadding),
      head_size_(kBlockPositions * (head_dim_ + value_stride_)),
      block_stride_(config.num_key_value_heads * head_size_),
      data_(layers_ * blocks_ * block_stride_) {}

void KvCache::Store(const Place& place, const float* key, const float* value) {
  const int64_t in_block = place.position % kBlockPositions;
  const int64_t block = place.first_block + place.position / kBlockPositions;
  float* head = data_.data() + Offset(place.layer, block, place.head);
  float* keys = head + in_block;
  for (int64_t d = 0; d < head_dim_; ++d) keys[d * kBlockPositions] = key[d];
  float* values = head + head_dim_ * kBlockPositions;
  std::memcpy(values + in_block * value_stride_, value,
              static_cast<size_t>(head_dim_) * sizeof(float));
}

void KvCache::Copy(int64_t from_block, int64_t to_block, int64_t positions) {
  const size_t bytes =
      static_cast<size_t>(BlocksFor(positions) * block_stride_) * sizeof(float);
  for (int64_t layer = 0; layer < layers_; ++layer) {
    std::memcpy(data_.data() + Offset(layer, to_block, 0),
                data_.data() + Offset(layer, from_block, 0), bytes);
  }
}

}  // namespace operant
