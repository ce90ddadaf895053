#include "common/nn/causal_lm.h"

#include <torch/torch.h>

#include <cmath>
#include <cstring>

#include "common/nn/bf16_product.h"
#include "common/nn/recompute.h"
#include "common/nn/training_ops.h"

namespace operant {
namespace {

constexpr double kInitStd = 0.02;
// The rotary table grows in steps of this many positions.
constexpr int64_t kRotaryStep = 256;

struct Linear {
  at::Tensor weight;  // [out, in]
  at::Tensor bias;    // [out], or undefined
};

// Layers with one input as one product, outputs side by side: of fp32 rows, in
// fp32 or in bf16.
at::Tensor Apply(ComputeType compute, std::initializer_list<Linear> layers,
                 const at::Tensor& x) {
  std::vector<at::Tensor> weights;
  std::vector<at::Tensor> biases;
  for (const Linear& layer : layers) {
    weights.push_back(layer.weight);
    if (layer.bias.defined()) biases.push_back(layer.bias);
  }
  if (compute == ComputeType::kBf16) return Bf16Linear(x, weights, biases);
  if (layers.size() == 1)
    return at::linear(x, weights[0], layers.begin()->bias);
  return at::linear(x, at::cat(weights),
                    biases.empty() ? at::Tensor() : at::cat(biases));
}

// Hands out parameters in canonical order while layers are wired.
class Cursor {
 public:
  explicit Cursor(const std::vector<at::Tensor>& parameters)
      : next_(parameters.begin()) {}

  at::Tensor Take() { return *next_++; }
  Linear TakeLinear(bool bias) {
    at::Tensor weight = Take();
    return {weight, bias ? Take() : at::Tensor()};
  }
  std::vector<at::Tensor>::const_iterator position() const { return next_; }

 private:
  std::vector<at::Tensor>::const_iterator next_;
};

struct Layer {
  Layer(const ModelConfig& config, Cursor& cursor)
      : input_norm(cursor.Take()),
        q(cursor.TakeLinear(config.attention_bias)),
        k(cursor.TakeLinear(config.attention_bias)),
        v(cursor.TakeLinear(config.attention_bias)),
        o(cursor.TakeLinear(config.attention_output_bias)),
        post_attention_norm(cursor.Take()),
        gate(cursor.TakeLinear(config.mlp_bias)),
        up(cursor.TakeLinear(config.mlp_bias)),
        down(cursor.TakeLinear(config.mlp_bias)) {}

  at::Tensor input_norm;
  Linear q, k, v, o;
  at::Tensor post_attention_norm;
  Linear gate, up, down;
};

PackedSequences Pack(const at::Tensor& lengths) {
  TORCH_CHECK(lengths.is_cpu() && lengths.scalar_type() == at::kLong &&
                  lengths.dim() == 1,
              "lengths must be [B] int64 on the CPU");
  PackedSequences sequences;
  sequences.begin.reserve(lengths.size(0) + 1);
  const auto* length = lengths.data_ptr<int64_t>();
  for (int64_t b = 0; b < lengths.size(0); ++b) {
    TORCH_CHECK(length[b] > 0, "a sequence is empty");
    sequences.begin.push_back(sequences.begin.back() + length[b]);
    sequences.longest = std::max(sequences.longest, length[b]);
  }
  return sequences;
}

// Index of each real position in the flattened [B, L] batch.
at::Tensor RealPositions(const PackedSequences& sequences, int64_t width) {
  at::Tensor index = at::empty({sequences.rows()}, at::kLong);
  auto* out = index.data_ptr<int64_t>();
  for (int64_t b = 0; b < sequences.count(); ++b) {
    const int64_t length = sequences.begin[b + 1] - sequences.begin[b];
    for (int64_t i = 0; i < length; ++i) *out++ = b * width + i;
  }
  return index;
}

bool IsResidualOutput(const std::string& name) {
  return name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight");
}

class CausalLmModule final : public CausalLm {
 public:
  CausalLmModule(const ModelConfig& config, const Options& options);

  void InitRandom(uint64_t seed) override;
  void Load(const WeightImage& weights) override;
  WeightImage Export() const override;
  at::Tensor Hidden(const TokenBatch& batch) override;
  at::Tensor Logits(const at::Tensor& hidden) override {
    return at::linear(HeadOperand(hidden), HeadOperand(Head()));
  }
  std::pair<at::Tensor, at::Tensor> LogProbs(const at::Tensor& hidden,
                                             const at::Tensor& targets,
                                             double temperature,
                                             bool entropy_gradient) override {
    return TokenLogProbs(HeadOperand(hidden), HeadOperand(Head()), targets,
                         {temperature, entropy_gradient});
  }
  std::vector<std::pair<std::string, at::Tensor>> Parameters() override {
    return parameters_;
  }
  const ModelConfig& config() const override { return config_; }

 private:
  const at::Tensor& Head() const {
    return config_.tie_word_embeddings ? embedding_ : head_;
  }
  // The head multiplies what the layers would; its logits are not rounded.
  at::Tensor HeadOperand(const at::Tensor& x) const {
    return compute_ == ComputeType::kBf16 ? RoundedToBf16(x) : x;
  }
  // The residual stream before a layer's last addition, and what is added.
  struct LayerResult {
    at::Tensor x;
    at::Tensor delta;
  };

  at::Tensor Attend(const Layer& layer, const at::Tensor& h,
                    const PackedSequences& sequences) const;
  // Of a layer's input x [N, D] and its norm h.
  LayerResult RunLayer(const Layer& layer, const at::Tensor& x,
                       const at::Tensor& h,
                       const PackedSequences& sequences) const;
  at::Tensor RunLayers(at::Tensor x, const PackedSequences& sequences) const;
  at::Tensor RunLayersRecomputed(at::Tensor x,
                                 const PackedSequences& sequences) const;
  void EnsureRotary(int64_t positions);

  ModelConfig config_;
  at::Device device_;
  ComputeType compute_;
  Recompute recompute_;
  std::vector<std::pair<std::string, at::Tensor>> parameters_;
  at::Tensor embedding_;  // [V, D]
  std::vector<Layer> layers_;
  std::vector<std::vector<at::Tensor>> layer_parameters_;
  at::Tensor final_norm_;  // [D]
  at::Tensor head_;        // [V, D]; undefined if tied
  RotaryTable rotary_;
};

CausalLmModule::CausalLmModule(const ModelConfig& config,
                               const Options& options)
    : config_(config),
      device_(options.device == Device::kCuda ? at::kCUDA : at::kCPU),
      compute_(options.compute),
      recompute_(options.recompute) {
  const auto fp32 = at::TensorOptions().dtype(at::kFloat).device(device_);
  std::vector<at::Tensor> parameters;
  for (const TensorShape& tensor : ExpectedTensors(config)) {
    parameters.push_back(at::zeros(tensor.shape, fp32).set_requires_grad(true));
    parameters_.emplace_back(tensor.name, parameters.back());
  }
  Cursor cursor(parameters);
  embedding_ = cursor.Take();
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    const auto first = cursor.position();
    layers_.emplace_back(config, cursor);
    layer_parameters_.emplace_back(first, cursor.position());
  }
  final_norm_ = cursor.Take();
  if (!config.tie_word_embeddings) head_ = cursor.Take();
}

void CausalLmModule::InitRandom(uint64_t seed) {
  const at::NoGradGuard no_grad;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const double residual_std =
      kInitStd /
      std::sqrt(2.0 * static_cast<double>(config_.num_hidden_layers));
  for (auto& [name, parameter] : parameters_) {
    if (name.ends_with(".bias")) {
      parameter.zero_();
    } else if (parameter.dim() == 1) {
      parameter.fill_(1);
    } else {
      const double std = IsResidualOutput(name) ? residual_std : kInitStd;
      parameter.copy_(
          at::empty(parameter.sizes(), at::kFloat).normal_(0, std, generator));
    }
  }
}

void CausalLmModule::Load(const WeightImage& weights) {
  const at::NoGradGuard no_grad;
  TORCH_CHECK(weights.tensors().size() == parameters_.size(),
              "the weights are of another model");
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const WeightTensor& tensor = weights.tensors()[i];
    TORCH_CHECK(tensor.name == parameters_[i].first &&
                    parameters_[i].second.sizes() == tensor.shape &&
                    tensor.type == WeightType::kF32,
                "the weights are of another model: ", tensor.name);
    // from_blob wants a mutable pointer; it is only read.
    auto* data = const_cast<std::byte*>(weights.data(tensor));
    parameters_[i].second.copy_(at::from_blob(data, tensor.shape, at::kFloat));
  }
}

WeightImage CausalLmModule::Export() const {
  const at::NoGradGuard no_grad;
  WeightImage image = WeightImage::ForModel(config_, WeightType::kF32);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const WeightTensor& tensor = image.tensors()[i];
    at::from_blob(image.data(tensor), tensor.shape, at::kFloat)
        .copy_(parameters_[i].second);
  }
  return image;
}

void CausalLmModule::EnsureRotary(int64_t positions) {
  TORCH_CHECK(positions <= config_.max_position_embeddings, "a sequence of ",
              positions, " tokens is longer than the model's ",
              config_.max_position_embeddings);
  if (rotary_.cos.defined() && rotary_.cos.size(0) >= positions) return;
  const int64_t rounded =
      (positions + kRotaryStep - 1) / kRotaryStep * kRotaryStep;
  const RotaryTable table =
      MakeRotaryTable(rounded, config_.head_dim, config_.rope_theta);
  rotary_ = {table.cos.to(device_), table.sin.to(device_)};
}

at::Tensor CausalLmModule::Attend(const Layer& layer, const at::Tensor& h,
                                  const PackedSequences& sequences) const {
  const at::Tensor qkv = Apply(compute_, {layer.q, layer.k, layer.v}, h);
  const at::Tensor mixed =
      PackedAttention(qkv, rotary_, sequences,
                      {config_.num_attention_heads, config_.num_key_value_heads,
                       config_.head_dim});
  return Apply(compute_, {layer.o}, mixed).to(at::kFloat);
}

CausalLmModule::LayerResult CausalLmModule::RunLayer(
    const Layer& layer, const at::Tensor& x, const at::Tensor& h,
    const PackedSequences& sequences) const {
  const auto [middle, middle_norm] =
      AddRmsNorm(x, Attend(layer, h, sequences), layer.post_attention_norm,
                 config_.rms_norm_eps);
  const at::Tensor gated =
      SwiGlu(Apply(compute_, {layer.gate, layer.up}, middle_norm));
  return {middle, Apply(compute_, {layer.down}, gated).to(at::kFloat)};
}

// A layer's last addition and the next norm are one loop.
at::Tensor CausalLmModule::RunLayers(at::Tensor x,
                                     const PackedSequences& sequences) const {
  const double epsilon = config_.rms_norm_eps;
  at::Tensor h = RmsNorm(x, layers_[0].input_norm, epsilon);
  for (size_t i = 0; i < layers_.size(); ++i) {
    const LayerResult result = RunLayer(layers_[i], x, h, sequences);
    const at::Tensor& next_norm =
        i + 1 < layers_.size() ? layers_[i + 1].input_norm : final_norm_;
    std::tie(x, h) = AddRmsNorm(result.x, result.delta, next_norm, epsilon);
  }
  return h;
}

// The same, cut into segments of one layer each: from x to x.
at::Tensor CausalLmModule::RunLayersRecomputed(
    at::Tensor x, const PackedSequences& sequences) const {
  const auto shared = std::make_shared<const PackedSequences>(sequences);
  const Segment segment = [this, shared](
                              const at::Tensor& input,
                              const std::vector<at::Tensor>& parameters) {
    Cursor cursor(parameters);
    const Layer layer(config_, cursor);
    const LayerResult result = RunLayer(
        layer, input, RmsNorm(input, layer.input_norm, config_.rms_norm_eps),
        *shared);
    return result.x + result.delta;
  };
  for (const std::vector<at::Tensor>& parameters : layer_parameters_) {
    x = Recomputed(segment, x, parameters);
  }
  return RmsNorm(x, final_norm_, config_.rms_norm_eps);
}

at::Tensor CausalLmModule::Hidden(const TokenBatch& batch) {
  const PackedSequences sequences = Pack(batch.lengths);
  TORCH_CHECK(batch.tokens.dim() == 2 &&
                  batch.tokens.size(0) == sequences.count() &&
                  batch.tokens.size(1) >= sequences.longest,
              "tokens must be [B, L] for B lengths up to L");
  EnsureRotary(sequences.longest);
  const at::Tensor index = RealPositions(sequences, batch.tokens.size(1));
  const at::Tensor tokens = batch.tokens.reshape({-1}).index_select(
      0, index.to(batch.tokens.device()));
  const at::Tensor x = at::embedding(embedding_, tokens.to(device_));  // [N, D]
  return recompute_ == Recompute::kLayer ? RunLayersRecomputed(x, sequences)
                                         : RunLayers(x, sequences);
}

}  // namespace

std::unique_ptr<CausalLm> CausalLm::Create(const ModelConfig& config,
                                           const Options& options) {
  return std::make_unique<CausalLmModule>(config, options);
}

}  // namespace operant
