#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/nn/float_convert.h"
#include "common/nn/hf_folder.h"
#include "common/nn/json_edit.h"
#include "common/nn/safetensors.h"
#include "common/nn/weight_image.h"

namespace operant {
namespace {

// Elements converted at a time: the only copy that saving makes.
constexpr size_t kConvertElements = 1 << 18;

constexpr const char* kCopiedFiles[] = {
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
};

const char* TorchName(WeightType type) {
  switch (type) {
    case WeightType::kF32:
      return "float32";
    case WeightType::kBf16:
      return "bfloat16";
    case WeightType::kF16:
      return "float16";
  }
  return "";
}

absl::Status AppendConverted(std::span<const std::byte> floats, WeightType type,
                             SafetensorsWriter& writer) {
  const auto convert = type == WeightType::kBf16 ? ToBf16 : ToF16;
  std::vector<uint16_t> piece;
  for (size_t begin = 0; begin < floats.size();
       begin += kConvertElements * sizeof(float)) {
    const size_t elements =
        std::min(kConvertElements, (floats.size() - begin) / sizeof(float));
    piece.resize(elements);
    for (size_t i = 0; i < elements; ++i) {
      float value;
      std::memcpy(&value, floats.data() + begin + i * sizeof(float),
                  sizeof(value));
      piece[i] = convert(value);
    }
    RETURN_IF_ERROR(writer.Append(std::as_bytes(std::span(piece))));
  }
  return absl::OkStatus();
}

absl::Status WriteWeights(const std::string& path, const WeightImage& weights,
                          WeightType type) {
  std::vector<WeightTensor> stored(weights.tensors().begin(),
                                   weights.tensors().end());
  for (WeightTensor& tensor : stored) tensor.type = type;
  ASSIGN_OR_RETURN(auto writer, SafetensorsWriter::Create(path, stored));
  if (type == WeightType::kF32) {
    RETURN_IF_ERROR(writer->Append(weights.bytes()));
  } else {
    RETURN_IF_ERROR(AppendConverted(weights.bytes(), type, *writer));
  }
  return writer->Commit();
}

absl::Status CheckImage(const ModelConfig& config, const WeightImage& weights) {
  const std::vector<TensorShape> expected = ExpectedTensors(config);
  const bool fits = std::equal(
      expected.begin(), expected.end(), weights.tensors().begin(),
      weights.tensors().end(), [](const TensorShape& e, const WeightTensor& t) {
        return e.name == t.name && e.shape == t.shape &&
               t.type == WeightType::kF32;
      });
  if (fits) return absl::OkStatus();
  return absl::InternalError(
      "cannot save a model: the weights are not an fp32 image of its config");
}

}  // namespace

absl::Status CopyTokenizerFiles(const std::string& from,
                                const std::string& to) {
  for (const char* name : kCopiedFiles) {
    const std::string source = JoinPath(from, name);
    if (!FileExists(source)) continue;
    ASSIGN_OR_RETURN(const std::string contents, ReadFile(source));
    RETURN_IF_ERROR(WriteFileAtomically(JoinPath(to, name), contents));
  }
  return absl::OkStatus();
}

absl::Status SaveHfModel(const std::string& folder, const ModelConfig& config,
                         const std::string& config_json,
                         const WeightImage& weights, WeightType type,
                         const std::string& copy_from) {
  RETURN_IF_ERROR(CheckImage(config, weights));
  RETURN_IF_ERROR(MakeDirectories(folder));
  RETURN_IF_ERROR(
      WriteWeights(JoinPath(folder, "model.safetensors"), weights, type));
  std::string json = config_json;
  for (const char* key : {"torch_dtype", "dtype"}) {
    json = ReplaceTopLevelValue(json, key,
                                absl::StrCat("\"", TorchName(type), "\""));
  }
  RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, "config.json"), json));
  if (copy_from.empty() || copy_from == folder) return absl::OkStatus();
  return CopyTokenizerFiles(copy_from, folder);
}

}  // namespace operant
