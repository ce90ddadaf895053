#include "common/nn/aten_decoder.h"

#include <torch/torch.h>

#include <cmath>
#include <tuple>

namespace operant {
namespace {

using torch::indexing::Ellipsis;
using torch::indexing::None;
using torch::indexing::Slice;

at::Tensor Apply(const AtenLinear& linear, const at::Tensor& x) {
  return torch::nn::functional::linear(x, linear.weight, linear.bias);
}

// Hugging Face's rotate_half: the two halves of a head, [B, heads, T, Dh].
at::Tensor Rotate(const at::Tensor& x, const at::Tensor& cos,
                  const at::Tensor& sin) {
  const std::vector<at::Tensor> halves = x.to(torch::kFloat).chunk(2, -1);
  return torch::cat({halves[0] * cos - halves[1] * sin,
                     halves[1] * cos + halves[0] * sin},
                    -1)
      .to(x.scalar_type());
}

// [B, T, n Dh] -> [B, n, T, Dh]
at::Tensor SplitHeads(const at::Tensor& x, int64_t head_dim) {
  return x.unflatten(-1, {-1, head_dim}).transpose(1, 2);
}

}  // namespace

AtenCache::AtenCache(const ModelConfig& config, int64_t slots,
                     int64_t positions, const at::TensorOptions& options) {
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    for (std::vector<at::Tensor>* part : {&keys, &values}) {
      part->push_back(torch::zeros(
          {slots, config.num_key_value_heads, positions, config.head_dim},
          options));
    }
  }
}

AtenDecoder::AtenDecoder(const ModelConfig& config,
                         const at::TensorOptions& options)
    : config_(config) {
  const auto exponents = torch::arange(0, config.head_dim, 2, torch::kDouble) /
                         static_cast<double>(config.head_dim);
  frequencies_ = torch::pow(config.rope_theta, -exponents)
                     .to(options.device(), torch::kFloat);
}

at::Tensor AtenDecoder::Run(const AtenWeights& weights, const AtenRows& rows,
                            AtenCache& cache) const {
  const torch::NoGradGuard no_grad;
  const Rotation rotation = RotationOf(rows.positions);
  at::Tensor x = torch::embedding(weights.embedding, rows.tokens);
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    const AtenLayer& layer = weights.layers[i];
    x = x + Attention(layer, Normalise(x, layer.attention_norm), rows, rotation,
                      cache.keys[i], cache.values[i]);
    const std::vector<at::Tensor> gate_up =
        Apply(layer.gate_up, Normalise(x, layer.ffn_norm)).chunk(2, -1);
    x = x + Apply(layer.down, torch::silu(gate_up[0]) * gate_up[1]);
  }
  return Normalise(x, weights.final_norm);
}

at::Tensor AtenDecoder::Normalise(const at::Tensor& x,
                                  const at::Tensor& weight) const {
  const at::Tensor y = x.to(torch::kFloat);
  const at::Tensor mean_square = y.square().mean(-1, /*keepdim=*/true);
  return (y * torch::rsqrt(mean_square + config_.rms_norm_eps))
             .to(x.scalar_type()) *
         weight;
}

AtenDecoder::Rotation AtenDecoder::RotationOf(
    const at::Tensor& positions) const {
  const at::Tensor angles =
      positions.to(torch::kFloat).unsqueeze(-1) * frequencies_;
  return {angles.cos().unsqueeze(1), angles.sin().unsqueeze(1)};
}

at::Tensor AtenDecoder::Attention(const AtenLayer& layer, const at::Tensor& x,
                                  const AtenRows& rows,
                                  const Rotation& rotation, at::Tensor& keys,
                                  at::Tensor& values) const {
  const int64_t dh = config_.head_dim;
  const int64_t h = config_.num_attention_heads;
  const int64_t k = config_.num_key_value_heads;
  const std::vector<at::Tensor> qkv =
      Apply(layer.qkv, x).split_with_sizes({h * dh, k * dh, k * dh}, -1);
  const at::Tensor query =
      Rotate(SplitHeads(qkv[0], dh), rotation.cos, rotation.sin);
  const at::Tensor key =
      Rotate(SplitHeads(qkv[1], dh), rotation.cos, rotation.sin);
  // [slots, K, positions, Dh] at (slot, :, position) takes [B, T, K, Dh].
  const at::Tensor slots = rows.slots.unsqueeze(1);
  keys.index_put_({slots, Slice(), rows.positions}, key.transpose(1, 2));
  values.index_put_({slots, Slice(), rows.positions},
                    SplitHeads(qkv[2], dh).transpose(1, 2));
  const auto seen = [&](const at::Tensor& cached) {
    return cached.narrow(2, 0, rows.span)
        .index_select(0, rows.slots)
        .repeat_interleave(h / k, 1);  // [B, H, span, Dh]
  };
  const at::Tensor all =
      torch::arange(rows.span, rows.positions.options());        // [span]
  const at::Tensor future = all > rows.positions.unsqueeze(-1);  // [B, T, span]
  at::Tensor scores =
      torch::matmul(query, seen(keys).transpose(2, 3)).to(torch::kFloat) /
      std::sqrt(static_cast<double>(dh));
  scores.masked_fill_(future.unsqueeze(1), -INFINITY);
  const at::Tensor weights = scores.softmax(-1).to(x.scalar_type());
  return Apply(layer.output,
               torch::matmul(weights, seen(values)).transpose(1, 2).flatten(2));
}

}  // namespace operant
