// Keys and values of many sequences. A sequence owns a run of blocks; a block
// holds kBlockPositions consecutive positions of every layer and head, as the
// attention kernel reads them (HeadAttention in cpu_kernels.h).
#ifndef OPERANT_COMMON_NN_KV_CACHE_H_
#define OPERANT_COMMON_NN_KV_CACHE_H_

#include <cstdint>

#include "common/nn/cpu_kernels.h"
#include "common/nn/gemm.h"
#include "common/nn/model_config.h"

namespace operant {

// Blocks that hold `positions` positions.
constexpr int64_t BlocksFor(int64_t positions) {
  return (positions + kBlockPositions - 1) / kBlockPositions;
}

// Writes to different blocks may be concurrent.
class KvCache {
 public:
  KvCache() = default;
  KvCache(const ModelConfig& config, int64_t blocks);

  int64_t blocks() const { return blocks_; }
  // Floats from one block to the next of the same layer and head.
  int64_t block_stride() const { return block_stride_; }
  int64_t value_stride() const { return value_stride_; }

  const float* Head(int64_t layer, int64_t block, int64_t head) const {
    return data_.data() + Offset(layer, block, head);
  }
  // Stores the rotated key and the value, [head_dim] each, of one position of a
  // sequence that starts at `first_block`.
  struct Place {
    int64_t layer;
    int64_t first_block;
    int64_t position;
    int64_t head;
  };
  void Store(const Place& place, const float* key, const float* value);

  // Copies the first `positions` of one sequence to another.
  void Copy(int64_t from_block, int64_t to_block, int64_t positions);

 private:
  int64_t Offset(int64_t layer, int64_t block, int64_t head) const {
    return (layer * blocks_ + block) * block_stride_ + head * head_size_;
  }

  int64_t layers_ = 0;
  int64_t blocks_ = 0;
  int64_t head_dim_ = 0;
  int64_t value_stride_ = 0;  // head_dim padded to whole vectors
  int64_t head_size_ = 0;     // floats of one head of a block
  int64_t block_stride_ = 0;
  FloatBuffer data_;  // [layers, blocks, heads, head_size]
};

}  // namespace operant

#endif  // OPERANT_COMMON_NN_KV_CACHE_H_
