#include "common/nn/aten_weights.h"

#include <torch/torch.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace operant {
namespace {

class Copier {
 public:
  Copier(const WeightImage& image, const at::TensorOptions& to)
      : image_(image), to_(to) {}

  at::Tensor Tensor(const std::string& name) const {
    const WeightTensor& tensor = *image_.Find(name);
    std::vector<float> floats = image_.AsFloats(tensor);
    return torch::from_blob(floats.data(), tensor.shape).to(to_, false, true);
  }

  // Several projections of the same input, one below the other.
  AtenLinear Linear(const std::vector<std::string>& names) const {
    std::vector<at::Tensor> weights;
    std::vector<at::Tensor> biases;
    for (const std::string& name : names) {
      weights.push_back(Tensor(name + ".weight"));
      if (image_.Find(name + ".bias") != nullptr) {
        biases.push_back(Tensor(name + ".bias"));
      }
    }
    return {torch::cat(weights),
            biases.empty() ? at::Tensor() : torch::cat(biases)};
  }

  AtenLayer Layer(const std::string& prefix) const {
    const std::string attention = prefix + "self_attn.";
    const std::string mlp = prefix + "mlp.";
    return {Tensor(prefix + "input_layernorm.weight"),
            Linear({attention + "q_proj", attention + "k_proj",
                    attention + "v_proj"}),
            Linear({attention + "o_proj"}),
            Tensor(prefix + "post_attention_layernorm.weight"),
            Linear({mlp + "gate_proj", mlp + "up_proj"}),
            Linear({mlp + "down_proj"})};
  }

 private:
  const WeightImage& image_;
  const at::TensorOptions to_;
};

}  // namespace

std::shared_ptr<const AtenWeights> CopyToDevice(const ModelConfig& config,
                                                const WeightImage& image,
                                                const at::TensorOptions& to) {
  const torch::NoGradGuard no_grad;
  const Copier copier(image, to);
  auto weights = std::make_shared<AtenWeights>();
  weights->embedding = copier.Tensor("model.embed_tokens.weight");
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    weights->layers.push_back(
        copier.Layer(absl::StrCat("model.layers.", i, ".")));
  }
  weights->final_norm = copier.Tensor("model.norm.weight");
  weights->head = config.tie_word_embeddings ? weights->embedding
                                             : copier.Tensor("lm_head.weight");
  return weights;
}

}  // namespace operant
