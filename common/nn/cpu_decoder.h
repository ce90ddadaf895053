// The decoder's arithmetic for a tile of rows, one row per token, on one
// thread. Rows of many sequences mix: what a row needs of its own sequence is
// in the cache.
#ifndef OPERANT_COMMON_NN_CPU_DECODER_H_
#define OPERANT_COMMON_NN_CPU_DECODER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "common/nn/cpu_kernels.h"
#include "common/nn/cpu_weights.h"
#include "common/nn/gemm.h"
#include "common/nn/kv_cache.h"
#include "common/nn/model_config.h"
#include "common/nn/rotary_table.h"

namespace operant {

// Rows that are computed together at most. Their activations stay in the L2
// cache at the sizes of small models; weights are read once per tile.
inline constexpr int64_t kTileRows = 128;

struct TokenRow {
  int32_t token;
  int32_t position;
  int64_t first_block;  // of the row's sequence in the cache
};

// Holds a workspace for one tile. Not thread-safe; decoders of several threads
// may share a cache if they run different sequences.
class CpuDecoder {
 public:
  // `kernels`, `config` and `rotary` must outlive the decoder.
  CpuDecoder(const CpuKernels& kernels, const ModelConfig& config,
             const RotaryTable& rotary);

  // Runs every layer on 1..kTileRows rows and stores their keys and values. The
  // earlier positions of a row's sequence are in the cache or in earlier rows.
  void RunLayers(const CpuWeights& weights, std::span<const TokenRow> rows,
                 KvCache& cache);

  // Final norm of row `row` of the last RunLayers into `out` [D].
  void Normalise(const CpuWeights& weights, int64_t row, float* out) const;

 private:
  void Embed(const CpuWeights& weights);
  void NormaliseRows(const std::vector<float>& weight);
  void Attention(const CpuLayer& layer, int64_t index, KvCache& cache);
  void StoreKeyValue(int64_t layer, int64_t row, KvCache& cache);
  void Attend(int64_t layer, int64_t row, const KvCache& cache);
  void FeedForward(const CpuLayer& layer);
  int64_t count() const { return static_cast<int64_t>(rows_.size()); }

  const CpuKernels& kernels_;
  const ModelConfig& config_;
  const RotaryTable& rotary_;
  std::span<const TokenRow> rows_;  // of the current call

  // Workspace, [kTileRows, ...] each.
  FloatBuffer hidden_;         // [D], the residual stream
  FloatBuffer normalised_;     // [D]
  FloatBuffer qkv_;            // [(H + 2 K) Dh]
  FloatBuffer attended_;       // [H Dh]
  FloatBuffer gate_up_;        // [2 F]
  FloatBuffer activated_;      // [F]
  std::vector<float> scores_;  // of one head
};

}  // namespace operant

#endif  // OPERANT_COMMON_NN_CPU_DECODER_H_
