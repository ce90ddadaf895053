// The decoder of an engine in LibTorch operators: rows of many sequences
// through all layers, on any device and in any dtype. Norms, rotations and
// softmax are computed in fp32.
#ifndef OPERANT_COMMON_NN_ATEN_DECODER_H_
#define OPERANT_COMMON_NN_ATEN_DECODER_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/nn/aten_weights.h"
#include "common/nn/model_config.h"

namespace operant {

// Rows to run together, and how they attend. B sequences of T tokens each.
struct AtenRows {
  at::Tensor tokens;     // [B, T] int64
  at::Tensor slots;      // [B] int64
  at::Tensor positions;  // [B, T] int64
  int64_t span = 0;      // cached positions to look at: the largest + 1
};

// Keys and values: of every layer [slots, K, positions, Dh].
struct AtenCache {
  AtenCache() = default;
  AtenCache(const ModelConfig& config, int64_t slots, int64_t positions,
            const at::TensorOptions& options);

  std::vector<at::Tensor> keys;
  std::vector<at::Tensor> values;
};

// Stateless but for its tables. Throws c10::Error.
class AtenDecoder {
 public:
  AtenDecoder(const ModelConfig& config, const at::TensorOptions& options);

  // Stores the rows' keys and values; returns the hidden states after the final
  // norm, [B, T, D].
  at::Tensor Run(const AtenWeights& weights, const AtenRows& rows,
                 AtenCache& cache) const;

 private:
  // Cosine and sine of every row, [B, 1, T, Dh / 2] each.
  struct Rotation {
    at::Tensor cos;
    at::Tensor sin;
  };

  at::Tensor Normalise(const at::Tensor& x, const at::Tensor& weight) const;
  Rotation RotationOf(const at::Tensor& positions) const;
  at::Tensor Attention(const AtenLayer& layer, const at::Tensor& x,
                       const AtenRows& rows, const Rotation& rotation,
                       at::Tensor& keys, at::Tensor& values) const;

  const ModelConfig config_;
  at::Tensor frequencies_;  // [Dh / 2] fp32
};

}  // namespace operant

#endif  // OPERANT_COMMON_NN_ATEN_DECODER_H_
