// The architecture of a Llama-family decoder, as Hugging Face's config.json
// says it.
#ifndef OPERANT_COMMON_NN_MODEL_CONFIG_H_
#define OPERANT_COMMON_NN_MODEL_CONFIG_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace operant {

// Sizes of the decoder. Letters as in the shapes of this code base: V
// vocab_size, D hidden_size, F intermediate_size, H query heads, K key/value
// heads, Dh head_dim.
struct ModelConfig {
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t num_key_value_heads = 0;
  int64_t head_dim = 0;
  int64_t max_position_embeddings = 0;
  double rms_norm_eps = 1e-5;
  double rope_theta = 10000;
  bool tie_word_embeddings = false;
  bool attention_bias = false;  // on q, k, v and, for Llama, o
  bool attention_output_bias = false;
  bool mlp_bias = false;
  int32_t bos_token_id = -1;           // -1: none
  std::vector<int32_t> eos_token_ids;  // may be empty
  std::string model_type = "llama";    // llama, mistral, qwen2
};

// Reads config.json of both generations (torch_dtype/dtype,
// rope_theta+rope_scaling/rope_parameters). Errors: DataLoss (malformed,
// naming the key and value), Unimplemented (another architecture, scaled RoPE,
// another activation, sliding window that is in use: named).
absl::StatusOr<ModelConfig> ParseModelConfig(std::string_view config_json);

// A config.json for a new model (LlamaForCausalLM), which ParseModelConfig and
// transformers (4 and 5) read.
std::string WriteModelConfig(const ModelConfig& config);

// SHA-256 (hex) of what decides the tensors and the arithmetic: equal digests
// mean that weights of one fit the other.
std::string ModelDigest(const ModelConfig& config);

// One expected tensor.
struct TensorShape {
  std::string name;  // "model.layers.0.self_attn.q_proj.weight"
  std::vector<int64_t> shape;
};

// Every tensor of the model in canonical order: embeddings, layers in order
// (input_layernorm, q, k, v, o [each weight then bias],
// post_attention_layernorm, gate, up, down), model.norm.weight, lm_head.weight
// unless tied.
std::vector<TensorShape> ExpectedTensors(const ModelConfig& config);

int64_t ParameterCount(const ModelConfig& config);

}  // namespace operant

#endif  // OPERANT_COMMON_NN_MODEL_CONFIG_H_
