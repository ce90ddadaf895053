// The decoder's operators as the training module uses them, with their own
// backward passes. On a CPU each is one fused fp32 loop (training_kernels.h);
// on other devices, the same formula in LibTorch's operators. SwiGlu and
// PackedAttention take bf16 too: they compute in fp32 and keep their input and
// give their result in bf16.
//
// All take packed rows: N real positions of B sequences, one after the other,
// no padding. Functions throw c10::Error on misuse.
#ifndef OPERANT_COMMON_NN_TRAINING_OPS_H_
#define OPERANT_COMMON_NN_TRAINING_OPS_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"

namespace operant {

// Rows of sequence b: [begin[b], begin[b + 1]).
struct PackedSequences {
  std::vector<int64_t> begin = {0};  // B + 1
  int64_t longest = 0;

  int64_t count() const { return static_cast<int64_t>(begin.size()) - 1; }
  int64_t rows() const { return begin.back(); }
};

// RMSNorm (arXiv 1910.07467, Eq. 4) of x [N, D]: [N, D].
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight,
                   double epsilon);

// {x + delta, RmsNorm(x + delta)}: a residual addition and the norm after it.
std::pair<at::Tensor, at::Tensor> AddRmsNorm(const at::Tensor& x,
                                             const at::Tensor& delta,
                                             const at::Tensor& weight,
                                             double epsilon);

// silu(gate) * up (SwiGLU, arXiv 2002.05202, Eq. 6) of [N, 2 F], gate first:
// [N, F].
at::Tensor SwiGlu(const at::Tensor& gate_up);

// Angles of positions 0.. : cos and sin, each [positions, Dh / 2].
struct RotaryTable {
  at::Tensor cos;
  at::Tensor sin;
};
RotaryTable MakeRotaryTable(int64_t positions, int64_t head_dim, double theta);

struct HeadShape {
  int64_t heads = 0;     // H
  int64_t kv_heads = 0;  // K
  int64_t head_dim = 0;  // Dh
};

// Causal attention within each sequence, after the rotary embedding (arXiv
// 2104.09864, in the "rotate half" layout) of queries and keys at positions
// 0.. of their sequence. qkv [N, (H + 2 K) Dh] to [N, H Dh].
at::Tensor PackedAttention(const at::Tensor& qkv, const RotaryTable& rotary,
                           const PackedSequences& sequences,
                           const HeadShape& shape);

// What a row's next token is scored with.
struct TokenScoring {
  double temperature = 1;
  bool entropy_gradient = false;
};

// {log softmax(z)[target], entropy of softmax(z)} of z = hidden weight^T / T,
// each [N] fp32; hidden [N, D], weight [V, D], targets [N] int64. No [N, V] is
// ever held: logits live for a tile of rows and are computed again in
// backward.
std::pair<at::Tensor, at::Tensor> TokenLogProbs(const at::Tensor& hidden,
                                                const at::Tensor& weight,
                                                const at::Tensor& targets,
                                                const TokenScoring& scoring);

// The same operators in LibTorch's own, on any device: what the fused loops
// are tested against.
namespace plain {
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight,
                   double epsilon);
at::Tensor SwiGlu(const at::Tensor& gate_up);
at::Tensor PackedAttention(const at::Tensor& qkv, const RotaryTable& rotary,
                           const PackedSequences& sequences,
                           const HeadShape& shape);
}  // namespace plain

}  // namespace operant

#endif  // OPERANT_COMMON_NN_TRAINING_OPS_H_
