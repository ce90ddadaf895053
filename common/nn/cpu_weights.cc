#include "common/nn/cpu_weights.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"

namespace operant {
namespace {

CpuLayer MakeLayer(const CpuKernels& kernels, const ModelConfig& c) {
  const int64_t query = c.num_attention_heads * c.head_dim;
  const int64_t key = c.num_key_value_heads * c.head_dim;
  return {.attention_norm = {},
          .qkv = {kernels, query + 2 * key, c.hidden_size},
          .output = {kernels, c.hidden_size, query},
          .ffn_norm = {},
          .gate_up = {kernels, 2 * c.intermediate_size, c.hidden_size},
          .down = {kernels, c.hidden_size, c.intermediate_size}};
}

// Packs the tensors of one image by name; the image fits the model.
class Packer {
 public:
  explicit Packer(const WeightImage& image) : image_(image) {}

  std::vector<float> Vector(const std::string& name) const {
    return image_.AsFloats(*image_.Find(name));
  }

  // Packs the projection's weight, and its bias if it has one, at `first_row`
  // of `out`; returns the row after it.
  int64_t Project(const std::string& name, int64_t first_row,
                  PackedMatrix& out) const {
    const WeightTensor& weight = *image_.Find(name + ".weight");
    out.PackRows(first_row, image_.AsFloats(weight));
    if (const WeightTensor* bias = image_.Find(name + ".bias")) {
      out.PackBias(first_row, image_.AsFloats(*bias));
    }
    return first_row + weight.shape[0];
  }

  void Layer(const std::string& prefix, CpuLayer& layer) const {
    layer.attention_norm = Vector(prefix + "input_layernorm.weight");
    layer.ffn_norm = Vector(prefix + "post_attention_layernorm.weight");
    const std::string attention = prefix + "self_attn.";
    int64_t row = Project(attention + "q_proj", 0, layer.qkv);
    row = Project(attention + "k_proj", row, layer.qkv);
    Project(attention + "v_proj", row, layer.qkv);
    Project(attention + "o_proj", 0, layer.output);
    const std::string mlp = prefix + "mlp.";
    row = Project(mlp + "gate_proj", 0, layer.gate_up);
    Project(mlp + "up_proj", row, layer.gate_up);
    Project(mlp + "down_proj", 0, layer.down);
  }

 private:
  const WeightImage& image_;
};

}  // namespace

CpuWeights::CpuWeights(const CpuKernels& kernels, const ModelConfig& config)
    : head(kernels, config.vocab_size, config.hidden_size) {
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    layers.push_back(MakeLayer(kernels, config));
  }
}

absl::Status CheckFits(const ModelConfig& config, const WeightImage& image) {
  for (const TensorShape& expected : ExpectedTensors(config)) {
    const WeightTensor* found = image.Find(expected.name);
    if (found != nullptr && found->shape == expected.shape) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "weights do not fit the model: tensor=", expected.name, ", shape=",
        found == nullptr ? "missing" : absl::StrJoin(found->shape, "x"),
        ", expected ", absl::StrJoin(expected.shape, "x"),
        "; load weights of the model's own config.json"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const CpuWeights>> PackForCpu(
    const CpuKernels& kernels, const ModelConfig& config,
    const WeightImage& image) {
  RETURN_IF_ERROR(CheckFits(config, image));
  auto weights = std::make_shared<CpuWeights>(kernels, config);
  const Packer packer(image);
  weights->embedding = packer.Vector("model.embed_tokens.weight");
  for (size_t i = 0; i < weights->layers.size(); ++i) {
    packer.Layer(absl::StrCat("model.layers.", i, "."), weights->layers[i]);
  }
  weights->final_norm = packer.Vector("model.norm.weight");
  packer.Project(config.tie_word_embeddings ? "model.embed_tokens" : "lm_head",
                 0, weights->head);
  return weights;
}

}  // namespace operant
