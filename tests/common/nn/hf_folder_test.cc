#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/nn/float_convert.h"
#include "common/nn/safetensors.h"
#include "common/nn/weight_image.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

using testing::HasSubstr;

ModelConfig SmallModel(bool tied) {
  ModelConfig config;
  config.vocab_size = 11;
  config.hidden_size = 6;
  config.intermediate_size = 5;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 3;
  config.num_key_value_heads = 1;
  config.head_dim = 4;
  config.max_position_embeddings = 16;
  config.tie_word_embeddings = tied;
  return config;
}

// Distinct values that fp16 and bf16 hold exactly.
WeightImage Numbered(const ModelConfig& config) {
  WeightImage image = WeightImage::ForModel(config, WeightType::kF32);
  auto* floats = reinterpret_cast<float*>(image.bytes().data());
  for (size_t i = 0; i < image.bytes().size() / sizeof(float); ++i) {
    floats[i] = static_cast<float>(static_cast<int>(i % 255) - 127) / 64;
  }
  return image;
}

std::string NewFolder(const std::string& name) {
  const std::string path =
      absl::StrCat(testing::TempDir(), "/hf_folder_test_", getpid(), "_", name);
  EXPECT_TRUE(RemoveTree(path).ok());
  EXPECT_TRUE(MakeDirectories(path).ok());
  return path;
}

std::string SavedFolder(const std::string& name, const ModelConfig& config,
                        WeightType type = WeightType::kF32) {
  const std::string folder = NewFolder(name);
  EXPECT_TRUE(SaveHfModel(folder, config, WriteModelConfig(config),
                          Numbered(config), type, "")
                  .ok());
  return folder;
}

bool SameBytes(const WeightImage& a, const WeightImage& b) {
  return a.bytes().size() == b.bytes().size() &&
         std::memcmp(a.bytes().data(), b.bytes().data(), a.bytes().size()) == 0;
}

// Writes tensors of an fp32 image, by name, as one safetensors file.
void WriteTensors(const std::string& path, const WeightImage& image,
                  const std::vector<WeightTensor>& tensors) {
  auto writer = SafetensorsWriter::Create(path, tensors);
  ASSERT_TRUE(writer.ok());
  for (const WeightTensor& tensor : tensors) {
    ASSERT_TRUE((*writer)->Append({image.data(tensor), tensor.bytes}).ok());
  }
  ASSERT_TRUE((*writer)->Commit().ok());
}

TEST(HfFolderTest, WhatIsSavedIsLoadedInEveryType) {
  const ModelConfig config = SmallModel(false);
  for (const WeightType type :
       {WeightType::kF32, WeightType::kBf16, WeightType::kF16}) {
    const auto model = LoadHfModel(SavedFolder("types", config, type));
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_TRUE(SameBytes(*model->weights, Numbered(config)));
  }
}

TEST(HfFolderTest, KeepsConfigByteForByteButForTheType) {
  const ModelConfig config = SmallModel(true);
  const std::string json =
      absl::StrCat(R"({"_odd":  [1,2 ], "dtype" : "float32",)",
                   WriteModelConfig(config).substr(1));
  const std::string folder = NewFolder("bytes");
  ASSERT_TRUE(
      SaveHfModel(folder, config, json, Numbered(config), WeightType::kBf16, "")
          .ok());
  const auto saved = ReadFile(JoinPath(folder, "config.json"));
  ASSERT_TRUE(saved.ok());
  EXPECT_THAT(*saved, HasSubstr(R"({"_odd":  [1,2 ], "dtype" : "bfloat16",)"));
  EXPECT_THAT(*saved, HasSubstr(R"("torch_dtype": "bfloat16")"));
}

TEST(HfFolderTest, CopiesTheTokenizersFiles) {
  const ModelConfig config = SmallModel(true);
  const std::string from = NewFolder("copy_from");
  ASSERT_TRUE(WriteFileAtomically(JoinPath(from, "tokenizer.json"), "T").ok());
  ASSERT_TRUE(WriteFileAtomically(JoinPath(from, "other.bin"), "O").ok());
  const std::string to = NewFolder("copy_to");
  ASSERT_TRUE(SaveHfModel(to, config, WriteModelConfig(config),
                          Numbered(config), WeightType::kF32, from)
                  .ok());
  EXPECT_EQ(*ReadFile(JoinPath(to, "tokenizer.json")), "T");
  EXPECT_FALSE(FileExists(JoinPath(to, "other.bin")));
}

// A folder whose tensors alternate between two shards; `index` is its map.
std::string ShardedFolder(const std::string& name, const ModelConfig& config,
                          std::string* weight_map) {
  const std::string folder = NewFolder(name);
  EXPECT_TRUE(WriteFileAtomically(JoinPath(folder, "config.json"),
                                  WriteModelConfig(config))
                  .ok());
  const WeightImage image = Numbered(config);
  std::vector<WeightTensor> shards[2];
  for (size_t i = 0; i < image.tensors().size(); ++i) {
    const WeightTensor& tensor = image.tensors()[i];
    shards[i % 2].push_back(tensor);
    absl::StrAppend(weight_map, i == 0 ? "" : ",", "\"", tensor.name,
                    "\":\"model-0000", 1 + i % 2, "-of-00002.safetensors\"");
  }
  for (const int i : {0, 1}) {
    WriteTensors(JoinPath(folder, absl::StrCat("model-0000", 1 + i,
                                               "-of-00002.safetensors")),
                 image, shards[i]);
  }
  return folder;
}

absl::Status WriteIndex(const std::string& folder,
                        const std::string& weight_map) {
  return WriteFileAtomically(
      JoinPath(folder, "model.safetensors.index.json"),
      absl::StrCat(R"({"metadata":{"total_size":1},"weight_map":{)", weight_map,
                   "}}"));
}

TEST(HfFolderTest, ReadsShards) {
  const ModelConfig config = SmallModel(false);
  std::string weight_map;
  const std::string folder = ShardedFolder("shards", config, &weight_map);
  ASSERT_TRUE(WriteIndex(folder, weight_map).ok());
  const auto model = LoadHfModel(folder);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_TRUE(SameBytes(*model->weights, Numbered(config)));
}

TEST(HfFolderTest, RefusesAnIndexThatLeavesTheFolderOrLies) {
  std::string weight_map;
  const std::string folder =
      ShardedFolder("lies", SmallModel(true), &weight_map);
  for (const std::string& bad :
       {std::string(R"("x":"../secret.safetensors")"),
        std::string(R"("x":"/etc/passwd")"), std::string(R"("x":7)"),
        weight_map + R"(,"y":"model-00001-of-00002.safetensors")"}) {
    ASSERT_TRUE(WriteIndex(folder, bad).ok());
    EXPECT_EQ(LoadHfModel(folder).status().code(), absl::StatusCode::kDataLoss)
        << bad;
  }
}

TEST(HfFolderTest, RefusesMissingExtraAndMisshapenTensors) {
  const ModelConfig config = SmallModel(true);
  const std::string folder = SavedFolder("strict", config);
  const WeightImage image = Numbered(config);
  const std::vector<WeightTensor> all(image.tensors().begin(),
                                      image.tensors().end());
  const std::string path = JoinPath(folder, "model.safetensors");

  std::vector<WeightTensor> missing(all.begin(), all.end() - 1);
  WriteTensors(path, image, missing);
  EXPECT_THAT(std::string(LoadHfModel(folder).status().message()),
              HasSubstr("model.norm.weight is missing"));

  std::vector<WeightTensor> extra = all;
  extra.push_back(all[1]);
  extra.back().name = "model.layers.7.input_layernorm.weight";
  WriteTensors(path, image, extra);
  EXPECT_THAT(std::string(LoadHfModel(folder).status().message()),
              HasSubstr("not part of this model"));

  std::vector<WeightTensor> misshapen = all;
  misshapen[0].shape = {6, 11};
  WriteTensors(path, image, misshapen);
  EXPECT_THAT(std::string(LoadHfModel(folder).status().message()),
              HasSubstr("expected [11, 6]"));
  EXPECT_EQ(LoadHfModel(folder).status().code(), absl::StatusCode::kDataLoss);
}

TEST(HfFolderTest, IgnoresATiedHeadAndRotaryFrequencies) {
  const ModelConfig config = SmallModel(true);
  const std::string folder = SavedFolder("tied", config);
  const WeightImage image = Numbered(config);
  std::vector<WeightTensor> tensors(image.tensors().begin(),
                                    image.tensors().end());
  tensors.push_back(tensors[0]);
  tensors.back().name = "lm_head.weight";
  tensors.push_back(tensors[1]);
  tensors.back().name = "model.layers.0.self_attn.rotary_emb.inv_freq";
  WriteTensors(JoinPath(folder, "model.safetensors"), image, tensors);
  EXPECT_TRUE(LoadHfModel(folder).ok()) << LoadHfModel(folder).status();
}

TEST(HfFolderTest, SaysWhatIsMissing) {
  const std::string folder = NewFolder("missing");
  EXPECT_EQ(LoadHfModel(folder).status().code(), absl::StatusCode::kNotFound);
  const ModelConfig config = SmallModel(true);
  ASSERT_TRUE(WriteFileAtomically(JoinPath(folder, "config.json"),
                                  WriteModelConfig(config))
                  .ok());
  EXPECT_EQ(LoadHfModel(folder).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(
      WriteFileAtomically(JoinPath(folder, "pytorch_model.bin"), "x").ok());
  EXPECT_EQ(LoadHfModel(folder).status().code(),
            absl::StatusCode::kUnimplemented)
      << "pickle is refused with the way to convert it";
}

TEST(WeightImageTest, ConvertsStoredTypesToFloats) {
  WeightTensor tensor;
  tensor.name = "t";
  tensor.type = WeightType::kF16;
  tensor.shape = {2};
  WeightImage image({tensor});
  const uint16_t stored[] = {ToF16(0.5F), ToF16(-3.0F)};
  std::memcpy(image.bytes().data(), stored, sizeof(stored));
  EXPECT_EQ(image.AsFloats(image.tensors()[0]),
            (std::vector<float>{0.5F, -3.0F}));
  EXPECT_EQ(image.Find("u"), nullptr);
  EXPECT_EQ(image.Find("t"), &image.tensors()[0]);
}

}  // namespace
}  // namespace operant
