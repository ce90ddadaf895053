#include <torch/torch.h>

#include "common/nn/training_ops.h"

namespace operant {
namespace {

// Position of each packed row in its sequence, and in a padded [B, L] batch.
struct RowPlaces {
  at::Tensor position;  // [N] int64
  at::Tensor padded;    // [N] int64
};

RowPlaces PlacesOf(const PackedSequences& sequences, at::Device device) {
  const int64_t rows = sequences.rows();
  at::Tensor position = at::empty({rows}, at::kLong);
  at::Tensor padded = at::empty({rows}, at::kLong);
  auto* positions = position.data_ptr<int64_t>();
  auto* places = padded.data_ptr<int64_t>();
  for (int64_t b = 0; b < sequences.count(); ++b) {
    const int64_t begin = sequences.begin[b];
    for (int64_t row = begin; row < sequences.begin[b + 1]; ++row) {
      positions[row] = row - begin;
      places[row] = b * sequences.longest + row - begin;
    }
  }
  return {position.to(device), padded.to(device)};
}

// x [N, heads, Dh]; dimension i turns with i + Dh / 2.
at::Tensor Rotate(const at::Tensor& x, const RotaryTable& rotary,
                  const at::Tensor& position) {
  const at::Tensor cos = rotary.cos.index_select(0, position).unsqueeze(1);
  const at::Tensor sin = rotary.sin.index_select(0, position).unsqueeze(1);
  const std::vector<at::Tensor> half = x.chunk(2, -1);
  return at::cat({half[0] * cos - half[1] * sin, half[1] * cos + half[0] * sin},
                 -1);
}

// [N, heads, Dh] to [B, heads, L, Dh], zeros where there is no row.
at::Tensor Pad(const at::Tensor& x, const PackedSequences& sequences,
               const at::Tensor& padded) {
  const int64_t b = sequences.count();
  const int64_t l = sequences.longest;
  return at::zeros({b * l, x.size(1), x.size(2)}, x.options())
      .index_copy(0, padded, x)
      .view({b, l, x.size(1), x.size(2)})
      .transpose(1, 2);
}

}  // namespace

namespace plain {

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight,
                   double epsilon) {
  const at::Tensor scale =
      at::rsqrt(x.square().mean(-1, /*keepdim=*/true) + epsilon);
  return x * scale * weight;
}

at::Tensor SwiGlu(const at::Tensor& gate_up) {
  const std::vector<at::Tensor> parts = gate_up.chunk(2, -1);
  return at::silu(parts[0]) * parts[1];
}

at::Tensor PackedAttention(const at::Tensor& qkv, const RotaryTable& rotary,
                           const PackedSequences& sequences,
                           const HeadShape& shape) {
  const RowPlaces places = PlacesOf(sequences, qkv.device());
  const at::Tensor heads =
      qkv.view({qkv.size(0), shape.heads + 2 * shape.kv_heads, shape.head_dim});
  const std::vector<at::Tensor> parts =
      heads.split_with_sizes({shape.heads, shape.kv_heads, shape.kv_heads}, 1);
  const auto turned = [&](const at::Tensor& x) {
    return Rotate(x, rotary, places.position).to(qkv.scalar_type());
  };
  const at::Tensor q = turned(parts[0]);
  const at::Tensor k = turned(parts[1]);
  // Padding comes after every real row of a sequence, so the causal mask alone
  // keeps it out.
  const at::Tensor mixed = at::scaled_dot_product_attention(
      Pad(q, sequences, places.padded), Pad(k, sequences, places.padded),
      Pad(parts[2], sequences, places.padded), /*attn_mask=*/{},
      /*dropout_p=*/0.0, /*is_causal=*/true, /*scale=*/std::nullopt,
      /*enable_gqa=*/shape.heads != shape.kv_heads);
  return mixed.transpose(1, 2)
      .reshape({-1, shape.heads * shape.head_dim})
      .index_select(0, places.padded);
}

}  // namespace plain

RotaryTable MakeRotaryTable(int64_t positions, int64_t head_dim, double theta) {
  const at::Tensor exponent =
      at::arange(0, head_dim, 2, at::kFloat) / static_cast<double>(head_dim);
  const at::Tensor frequency = at::reciprocal(at::pow(theta, exponent));
  const at::Tensor angle =
      at::outer(at::arange(positions, at::kFloat), frequency);
  return {angle.cos(), angle.sin()};
}

}  // namespace operant
