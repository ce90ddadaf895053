// Reads config.json. Whatever would change the arithmetic and is not built is
// refused by name: a model that runs wrongly is worse than one that does not.
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/nn/model_config.h"
#include "nlohmann/json.hpp"

namespace operant {
namespace {

using Json = nlohmann::json;

// Bounds that keep every product of sizes far from overflow.
constexpr int64_t kMaxSize = int64_t{1} << 24;  // V, D, F, positions
constexpr int64_t kMaxLayers = 4096;
constexpr int64_t kMaxHeads = 65536;
constexpr size_t kMaxShownValue = 64;

std::string Shown(const Json& value) {
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > kMaxShownValue)
    text = text.substr(0, kMaxShownValue) + "...";
  return text;
}

absl::Status BadValue(const std::string& key, const Json& value,
                      const std::string& expected) {
  return absl::DataLossError(
      absl::StrCat("config.json is malformed: ", key, "=", Shown(value),
                   ", expected ", expected, "; correct the model folder"));
}

absl::Status Unsupported(const std::string& key, const Json& value,
                         const std::string& expected) {
  return absl::UnimplementedError(absl::StrCat(
      "this model is not supported: ", key, "=", Shown(value), ", expected ",
      expected, "; use a Llama-family model with plain RoPE"));
}

// The object's fields, by name and type. A null counts as absent, as it does
// for transformers.
class Fields {
 public:
  explicit Fields(const Json& object) : object_(object) {}

  const Json* Find(const char* key) const {
    const auto it = object_.find(key);
    return it == object_.end() || it->is_null() ? nullptr : &*it;
  }

  // An integer in [low, high]; `fallback` if absent, DataLoss without one.
  absl::StatusOr<int64_t> Integer(const char* key, int64_t low, int64_t high,
                                  std::optional<int64_t> fallback = {}) const {
    const Json* value = Find(key);
    if (value == nullptr) {
      if (fallback.has_value()) return *fallback;
      return BadValue(key, Json(), absl::StrCat("an integer from ", low));
    }
    const bool fits = value->is_number_integer() &&
                      (!value->is_number_unsigned() ||
                       value->get<uint64_t>() <= uint64_t{INT64_MAX});
    if (!fits || value->get<int64_t>() < low || value->get<int64_t>() > high) {
      return BadValue(key, *value,
                      absl::StrCat("an integer from ", low, " to ", high));
    }
    return value->get<int64_t>();
  }

  // A positive finite number.
  absl::StatusOr<double> Positive(const char* key, double fallback) const {
    const Json* value = Find(key);
    if (value == nullptr) return fallback;
    if (!value->is_number() || !std::isfinite(value->get<double>()) ||
        value->get<double>() <= 0) {
      return BadValue(key, *value, "a positive number");
    }
    return value->get<double>();
  }

  absl::StatusOr<bool> Bool(const char* key, bool fallback) const {
    const Json* value = Find(key);
    if (value == nullptr) return fallback;
    if (!value->is_boolean()) return BadValue(key, *value, "true or false");
    return value->get<bool>();
  }

  // Refuses a text that is there and is not `expected`.
  absl::Status Require(const char* key, const std::string& expected) const {
    const Json* value = Find(key);
    if (value == nullptr) return absl::OkStatus();
    if (!value->is_string()) return BadValue(key, *value, "a text");
    if (value->get_ref<const std::string&>() == expected) {
      return absl::OkStatus();
    }
    return Unsupported(key, *value, expected);
  }

 private:
  const Json& object_;
};

absl::Status ReadModelType(const Fields& fields, ModelConfig& config) {
  const Json* type = fields.Find("model_type");
  if (type == nullptr || !type->is_string()) {
    return BadValue("model_type", type == nullptr ? Json() : *type,
                    "llama, mistral or qwen2");
  }
  config.model_type = type->get<std::string>();
  if (config.model_type != "llama" && config.model_type != "mistral" &&
      config.model_type != "qwen2") {
    return Unsupported("model_type", *type, "llama, mistral or qwen2");
  }
  return fields.Require("hidden_act", "silu");
}

absl::Status ReadHeads(const Fields& fields, ModelConfig& config) {
  ASSIGN_OR_RETURN(config.num_attention_heads,
                   fields.Integer("num_attention_heads", 1, kMaxHeads));
  const int64_t heads = config.num_attention_heads;
  ASSIGN_OR_RETURN(config.num_key_value_heads,
                   fields.Integer("num_key_value_heads", 1, heads, heads));
  if (heads % config.num_key_value_heads != 0) {
    return BadValue("num_key_value_heads", config.num_key_value_heads,
                    absl::StrCat("a divisor of num_attention_heads=", heads));
  }
  if (fields.Find("head_dim") == nullptr && config.hidden_size % heads != 0) {
    return BadValue("hidden_size", config.hidden_size,
                    absl::StrCat("a multiple of num_attention_heads=", heads,
                                 " where head_dim is absent"));
  }
  ASSIGN_OR_RETURN(config.head_dim, fields.Integer("head_dim", 1, kMaxHeads,
                                                   config.hidden_size / heads));
  if (config.head_dim % 2 != 0) {
    return BadValue("head_dim", config.head_dim, "an even number for RoPE");
  }
  return absl::OkStatus();
}

absl::Status ReadSizes(const Fields& fields, ModelConfig& config) {
  ASSIGN_OR_RETURN(config.vocab_size,
                   fields.Integer("vocab_size", 1, kMaxSize));
  ASSIGN_OR_RETURN(config.hidden_size,
                   fields.Integer("hidden_size", 1, kMaxSize));
  ASSIGN_OR_RETURN(config.intermediate_size,
                   fields.Integer("intermediate_size", 1, kMaxSize));
  ASSIGN_OR_RETURN(config.num_hidden_layers,
                   fields.Integer("num_hidden_layers", 1, kMaxLayers));
  ASSIGN_OR_RETURN(config.max_position_embeddings,
                   fields.Integer("max_position_embeddings", 1, kMaxSize));
  ASSIGN_OR_RETURN(config.rms_norm_eps, fields.Positive("rms_norm_eps", 1e-6));
  return ReadHeads(fields, config);
}

// `rope_type` (newer) or `type` (older) must be absent or "default".
absl::Status RequirePlainRope(const char* key, const Json& rope) {
  if (!rope.is_object()) return BadValue(key, rope, "an object");
  for (const char* type_key : {"rope_type", "type"}) {
    const auto type = rope.find(type_key);
    if (type == rope.end() || *type == "default") continue;
    return Unsupported(absl::StrCat(key, ".", type_key), *type, "default");
  }
  return absl::OkStatus();
}

absl::Status ReadRope(const Fields& fields, ModelConfig& config) {
  ASSIGN_OR_RETURN(config.rope_theta, fields.Positive("rope_theta", 10000));
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const Json* rope = fields.Find(key);
    if (rope == nullptr) continue;
    RETURN_IF_ERROR(RequirePlainRope(key, *rope));
    const Fields inner(*rope);
    ASSIGN_OR_RETURN(config.rope_theta,
                     inner.Positive("rope_theta", config.rope_theta));
    ASSIGN_OR_RETURN(const double partial,
                     inner.Positive("partial_rotary_factor", 1));
    if (partial != 1) {
      return Unsupported(absl::StrCat(key, ".partial_rotary_factor"), partial,
                         "1");
    }
  }
  ASSIGN_OR_RETURN(const double partial,
                   fields.Positive("partial_rotary_factor", 1));
  if (partial != 1) return Unsupported("partial_rotary_factor", partial, "1");
  return absl::OkStatus();
}

// Mistral slides whenever sliding_window is set; Qwen2 only if
// use_sliding_window says so. A window no shorter than the context never acts.
absl::Status ReadSlidingWindow(const Fields& fields,
                               const ModelConfig& config) {
  if (config.model_type == "llama") return absl::OkStatus();
  ASSIGN_OR_RETURN(
      const bool used,
      fields.Bool("use_sliding_window", config.model_type == "mistral"));
  const Json* window = fields.Find("sliding_window");
  if (!used || window == nullptr) return absl::OkStatus();
  ASSIGN_OR_RETURN(const int64_t size,
                   fields.Integer("sliding_window", 1, INT64_MAX));
  if (size >= config.max_position_embeddings) return absl::OkStatus();
  return Unsupported("sliding_window", *window,
                     "null or at least max_position_embeddings");
}

absl::Status ReadBiases(const Fields& fields, ModelConfig& config) {
  ASSIGN_OR_RETURN(config.tie_word_embeddings,
                   fields.Bool("tie_word_embeddings", false));
  if (config.model_type == "qwen2") {
    config.attention_bias = true;  // on q, k and v; the type implies it
    return absl::OkStatus();
  }
  if (config.model_type == "mistral") return absl::OkStatus();
  ASSIGN_OR_RETURN(config.attention_bias, fields.Bool("attention_bias", false));
  config.attention_output_bias = config.attention_bias;
  ASSIGN_OR_RETURN(config.mlp_bias, fields.Bool("mlp_bias", false));
  return absl::OkStatus();
}

absl::Status ReadEos(const Fields& fields, ModelConfig& config) {
  const Json* eos = fields.Find("eos_token_id");
  if (eos == nullptr) return absl::OkStatus();
  const Json list = eos->is_array() ? *eos : Json::array({*eos});
  for (const Json& id : list) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 ||
        id.get<int64_t>() >= config.vocab_size) {
      return BadValue("eos_token_id", *eos,
                      "an id, or a list of ids, below vocab_size");
    }
    config.eos_token_ids.push_back(id.get<int32_t>());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelConfig> ParseModelConfig(std::string_view config_json) {
  const Json json = Json::parse(config_json, nullptr, false);
  if (!json.is_object()) {
    return absl::DataLossError(
        "config.json is malformed: not a JSON object; correct the model "
        "folder");
  }
  const Fields fields(json);
  ModelConfig config;
  RETURN_IF_ERROR(ReadModelType(fields, config));
  if (fields.Find("quantization_config") != nullptr) {
    return Unsupported("quantization_config",
                       *fields.Find("quantization_config"),
                       "none: weights in fp32, fp16 or bf16");
  }
  RETURN_IF_ERROR(ReadSizes(fields, config));
  RETURN_IF_ERROR(ReadRope(fields, config));
  RETURN_IF_ERROR(ReadSlidingWindow(fields, config));
  RETURN_IF_ERROR(ReadBiases(fields, config));
  ASSIGN_OR_RETURN(const int64_t bos,
                   fields.Integer("bos_token_id", -1, INT32_MAX, -1));
  config.bos_token_id = static_cast<int32_t>(bos);
  RETURN_IF_ERROR(ReadEos(fields, config));
  return config;
}

}  // namespace operant
