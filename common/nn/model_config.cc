#include "common/nn/model_config.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/digest.h"
#include "nlohmann/json.hpp"

namespace operant {
namespace {

// Adds the tensors of a linear layer: weight [out, in] and, if asked, bias.
void AddLinear(const std::string& name, int64_t out, int64_t in, bool bias,
               std::vector<TensorShape>& tensors) {
  tensors.push_back({name + ".weight", {out, in}});
  if (bias) tensors.push_back({name + ".bias", {out}});
}

void AddLayer(const ModelConfig& c, int64_t layer,
              std::vector<TensorShape>& tensors) {
  const std::string prefix = absl::StrCat("model.layers.", layer, ".");
  const std::string attention = prefix + "self_attn.";
  const std::string mlp = prefix + "mlp.";
  const int64_t query = c.num_attention_heads * c.head_dim;
  const int64_t key = c.num_key_value_heads * c.head_dim;
  const int64_t d = c.hidden_size;
  tensors.push_back({prefix + "input_layernorm.weight", {d}});
  AddLinear(attention + "q_proj", query, d, c.attention_bias, tensors);
  AddLinear(attention + "k_proj", key, d, c.attention_bias, tensors);
  AddLinear(attention + "v_proj", key, d, c.attention_bias, tensors);
  AddLinear(attention + "o_proj", d, query, c.attention_output_bias, tensors);
  tensors.push_back({prefix + "post_attention_layernorm.weight", {d}});
  AddLinear(mlp + "gate_proj", c.intermediate_size, d, c.mlp_bias, tensors);
  AddLinear(mlp + "up_proj", c.intermediate_size, d, c.mlp_bias, tensors);
  AddLinear(mlp + "down_proj", d, c.intermediate_size, c.mlp_bias, tensors);
}

}  // namespace

std::vector<TensorShape> ExpectedTensors(const ModelConfig& config) {
  std::vector<TensorShape> tensors;
  const std::vector<int64_t> table = {config.vocab_size, config.hidden_size};
  tensors.push_back({"model.embed_tokens.weight", table});
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    AddLayer(config, layer, tensors);
  }
  tensors.push_back({"model.norm.weight", {config.hidden_size}});
  if (!config.tie_word_embeddings) tensors.push_back({"lm_head.weight", table});
  return tensors;
}

int64_t ParameterCount(const ModelConfig& config) {
  int64_t count = 0;
  for (const TensorShape& tensor : ExpectedTensors(config)) {
    int64_t elements = 1;
    for (const int64_t size : tensor.shape) elements *= size;
    count += elements;
  }
  return count;
}

std::string ModelDigest(const ModelConfig& config) {
  std::string identity = absl::StrCat(
      "heads=", config.num_attention_heads, "/", config.num_key_value_heads,
      "x", config.head_dim, " eps=", nlohmann::json(config.rms_norm_eps).dump(),
      " theta=", nlohmann::json(config.rope_theta).dump());
  for (const TensorShape& tensor : ExpectedTensors(config)) {
    absl::StrAppend(&identity, "\n", tensor.name, " ",
                    absl::StrJoin(tensor.shape, "x"));
  }
  return Hex(Sha256(identity));
}

std::string WriteModelConfig(const ModelConfig& config) {
  nlohmann::ordered_json json;
  json["architectures"] = {"LlamaForCausalLM"};
  json["model_type"] = "llama";
  json["vocab_size"] = config.vocab_size;
  json["hidden_size"] = config.hidden_size;
  json["intermediate_size"] = config.intermediate_size;
  json["num_hidden_layers"] = config.num_hidden_layers;
  json["num_attention_heads"] = config.num_attention_heads;
  json["num_key_value_heads"] = config.num_key_value_heads;
  json["head_dim"] = config.head_dim;
  json["max_position_embeddings"] = config.max_position_embeddings;
  json["hidden_act"] = "silu";
  json["rms_norm_eps"] = config.rms_norm_eps;
  // Both generations of names: transformers 4 reads the first two, 5 the third.
  json["rope_theta"] = config.rope_theta;
  json["rope_scaling"] = nullptr;
  json["rope_parameters"] = {{"rope_type", "default"},
                             {"rope_theta", config.rope_theta}};
  json["attention_bias"] = config.attention_bias;
  json["attention_dropout"] = 0.0;
  json["mlp_bias"] = config.mlp_bias;
  json["tie_word_embeddings"] = config.tie_word_embeddings;
  json["bos_token_id"] = nullptr;
  if (config.bos_token_id >= 0) json["bos_token_id"] = config.bos_token_id;
  json["eos_token_id"] = nullptr;
  if (config.eos_token_ids.size() == 1) {
    json["eos_token_id"] = config.eos_token_ids[0];
  } else if (!config.eos_token_ids.empty()) {
    json["eos_token_id"] = config.eos_token_ids;
  }
  json["torch_dtype"] = "float32";
  json["use_cache"] = true;
  return json.dump(2) + "\n";
}

}  // namespace operant
