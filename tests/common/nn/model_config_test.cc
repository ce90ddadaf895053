#include "common/nn/model_config.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A small Llama; `extra` is appended to the object, and later keys win.
std::string Config(const std::string& extra) {
  return R"({"model_type": "llama", "vocab_size": 100, "hidden_size": 32,
    "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5, "hidden_act": "silu")" +
         (extra.empty() ? "" : ", " + extra) + "}";
}

ModelConfig MustParse(const std::string& extra) {
  auto config = ParseModelConfig(Config(extra));
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : ModelConfig{};
}

absl::StatusCode CodeOf(const std::string& extra) {
  return ParseModelConfig(Config(extra)).status().code();
}

TEST(ModelConfigTest, ReadsTheOlderNames) {
  const ModelConfig config = MustParse(
      R"("rope_theta": 500000.0, "rope_scaling": null, "torch_dtype": "bfloat16",
         "eos_token_id": 2, "bos_token_id": 1, "tie_word_embeddings": true)");
  EXPECT_EQ(config.rope_theta, 500000);
  EXPECT_EQ(config.bos_token_id, 1);
  EXPECT_THAT(config.eos_token_ids, ElementsAre(2));
  EXPECT_TRUE(config.tie_word_embeddings);
  EXPECT_EQ(config.head_dim, 8) << "hidden_size / num_attention_heads";
}

TEST(ModelConfigTest, ReadsTheNewerNames) {
  const ModelConfig config = MustParse(
      R"("rope_parameters": {"rope_theta": 250000, "rope_type": "default"},
         "dtype": "float32", "eos_token_id": [2, 5], "head_dim": 16)");
  EXPECT_EQ(config.rope_theta, 250000);
  EXPECT_THAT(config.eos_token_ids, ElementsAre(2, 5));
  EXPECT_EQ(config.head_dim, 16);
}

TEST(ModelConfigTest, RefusesScaledRopeInEitherGeneration) {
  for (const char* extra :
       {R"("rope_scaling": {"rope_type": "llama3", "factor": 8})",
        R"("rope_scaling": {"type": "linear", "factor": 2})",
        R"("rope_parameters": {"rope_theta": 1e4, "rope_type": "yarn"})",
        R"("partial_rotary_factor": 0.5)"}) {
    EXPECT_EQ(CodeOf(extra), absl::StatusCode::kUnimplemented) << extra;
  }
}

TEST(ModelConfigTest, RefusesAnotherArchitectureByName) {
  const auto config = ParseModelConfig(Config(R"("model_type": "qwen3")"));
  EXPECT_EQ(config.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(config.status().message()), HasSubstr("qwen3"));
  EXPECT_EQ(CodeOf(R"("hidden_act": "gelu")"),
            absl::StatusCode::kUnimplemented);
}

TEST(ModelConfigTest, AcceptsASlidingWindowThatNeverActs) {
  const std::string mistral = R"("model_type": "mistral", )";
  EXPECT_EQ(CodeOf(mistral + R"("sliding_window": null)"),
            absl::StatusCode::kOk);
  EXPECT_EQ(CodeOf(mistral + R"("sliding_window": 64)"), absl::StatusCode::kOk);
  EXPECT_EQ(CodeOf(mistral + R"("sliding_window": 63)"),
            absl::StatusCode::kUnimplemented);
  const std::string qwen2 = R"("model_type": "qwen2", "sliding_window": 8, )";
  EXPECT_EQ(CodeOf(qwen2 + R"("use_sliding_window": false)"),
            absl::StatusCode::kOk);
  EXPECT_EQ(CodeOf(qwen2 + R"("use_sliding_window": true)"),
            absl::StatusCode::kUnimplemented);
}

TEST(ModelConfigTest, Qwen2HasBiasesOnQueriesKeysAndValuesOnly) {
  const ModelConfig qwen2 = MustParse(R"("model_type": "qwen2")");
  EXPECT_TRUE(qwen2.attention_bias);
  EXPECT_FALSE(qwen2.attention_output_bias);
  const ModelConfig llama = MustParse(R"("attention_bias": true)");
  EXPECT_TRUE(llama.attention_output_bias);
}

TEST(ModelConfigTest, NamesTheKeyAndValueOfABadField) {
  for (const auto& [extra, key] :
       std::vector<std::pair<std::string, std::string>>{
           {R"("hidden_size": "32")", "hidden_size"},
           {R"("vocab_size": 0)", "vocab_size"},
           {R"("num_hidden_layers": 1e3)", "num_hidden_layers"},
           {R"("num_key_value_heads": 3)", "num_key_value_heads"},
           {R"("head_dim": 7)", "head_dim"},
           {R"("rms_norm_eps": -1)", "rms_norm_eps"},
           {R"("eos_token_id": 100)", "eos_token_id"},
           {R"("tie_word_embeddings": 1)", "tie_word_embeddings"},
           {R"("vocab_size": 99999999999999999999)", "vocab_size"}}) {
    const auto config = ParseModelConfig(Config(extra));
    EXPECT_EQ(config.status().code(), absl::StatusCode::kDataLoss) << extra;
    EXPECT_THAT(std::string(config.status().message()), HasSubstr(key));
  }
  EXPECT_EQ(ParseModelConfig("[]").status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(ParseModelConfig("{").status().code(), absl::StatusCode::kDataLoss);
}

TEST(ModelConfigTest, WritesWhatItReads) {
  ModelConfig config = MustParse(R"("eos_token_id": [0, 3], "head_dim": 10)");
  config.rope_theta = 12345;
  config.rms_norm_eps = 1e-6;
  config.attention_bias = config.attention_output_bias = true;
  const auto again = ParseModelConfig(WriteModelConfig(config));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(ModelDigest(*again), ModelDigest(config));
  EXPECT_EQ(again->eos_token_ids, config.eos_token_ids);
  EXPECT_EQ(again->max_position_embeddings, config.max_position_embeddings);
}

TEST(ModelConfigTest, ListsTensorsInCanonicalOrder) {
  ModelConfig config = MustParse(R"("num_hidden_layers": 1)");
  std::vector<std::string> names;
  for (const TensorShape& tensor : ExpectedTensors(config)) {
    names.push_back(tensor.name);
  }
  const std::string layer = "model.layers.0.";
  EXPECT_THAT(
      names,
      ElementsAre(
          "model.embed_tokens.weight", layer + "input_layernorm.weight",
          layer + "self_attn.q_proj.weight", layer + "self_attn.k_proj.weight",
          layer + "self_attn.v_proj.weight", layer + "self_attn.o_proj.weight",
          layer + "post_attention_layernorm.weight",
          layer + "mlp.gate_proj.weight", layer + "mlp.up_proj.weight",
          layer + "mlp.down_proj.weight", "model.norm.weight",
          "lm_head.weight"));
  // By hand: two tables 2*100*32, norms 3*32, q and o 2*32*32, k and v
  // 2*16*32, gate, up and down 3*64*32.
  EXPECT_EQ(ParameterCount(config), 6400 + 96 + 2048 + 1024 + 6144);
}

TEST(ModelConfigTest, DigestTellsArithmeticApart) {
  const ModelConfig config = MustParse("");
  ModelConfig other = config;
  other.rope_theta = 20000;
  EXPECT_NE(ModelDigest(config), ModelDigest(other));
  other = config;
  other.eos_token_ids = {7};
  EXPECT_EQ(ModelDigest(config), ModelDigest(other));
}

}  // namespace
}  // namespace operant
