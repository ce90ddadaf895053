#include <cstring>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/nn/hf_folder.h"
#include "common/nn/safetensors.h"
#include "common/nn/weight_image.h"
#include "nlohmann/json.hpp"

namespace operant {
namespace {

constexpr uint64_t kMaxConfigBytes = 1 << 20;
constexpr uint64_t kMaxIndexBytes = 64 << 20;
constexpr char kSingleFile[] = "model.safetensors";
constexpr char kIndexFile[] = "model.safetensors.index.json";
constexpr char kPickleFile[] = "pytorch_model.bin";

absl::Status BadFolder(const std::string& folder, const std::string& what) {
  return absl::DataLossError(
      absl::StrCat("model folder is malformed: folder=", folder, ", ", what,
                   "; fetch or write the folder again"));
}

absl::Status NoWeights(const std::string& folder) {
  for (const char* name : {kPickleFile, "pytorch_model.bin.index.json"}) {
    if (!FileExists(JoinPath(folder, name))) continue;
    return absl::UnimplementedError(absl::StrCat(
        "cannot read ", JoinPath(folder, name),
        ": pickle files can run code, expected safetensors; load the folder "
        "with transformers and call save_pretrained to convert it"));
  }
  return absl::NotFoundError(
      absl::StrCat("no weights in model folder: folder=", folder, ", expected ",
                   kSingleFile, " or ", kIndexFile, "; check model.path"));
}

// Shard name of each tensor, as the index says.
absl::StatusOr<std::map<std::string, std::string>> ReadIndex(
    const std::string& folder) {
  ASSIGN_OR_RETURN(const std::string text,
                   ReadFile(JoinPath(folder, kIndexFile), kMaxIndexBytes));
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("weight_map") ||
      !json["weight_map"].is_object()) {
    return BadFolder(folder, absl::StrCat(kIndexFile, " has no weight_map"));
  }
  std::map<std::string, std::string> shards;
  for (const auto& [tensor, shard] : json["weight_map"].items()) {
    if (!shard.is_string() || !IsSafeName(shard.get<std::string>())) {
      return BadFolder(folder, absl::StrCat(kIndexFile, " tensor=", tensor,
                                            " shard is not a plain file name"));
    }
    shards[tensor] = shard.get<std::string>();
  }
  return shards;
}

// A tensor and the file that holds it.
struct Source {
  const SafetensorsReader* reader;
  const WeightTensor* tensor;
};

// Every tensor of a folder, over one file or several.
class Sources {
 public:
  static absl::StatusOr<Sources> Open(const std::string& folder);

  // Every tensor of the model and of `others`, and none beside them.
  absl::Status Check(const ModelConfig& config,
                     const std::vector<std::string>& others = {}) const;
  const Source& At(const std::string& name) const { return by_name_.at(name); }
  // Fills the image, converting to fp32.
  absl::Status ReadInto(WeightImage& image) const;

 private:
  absl::Status Add(const std::string& file);
  absl::Status OpenShards();

  std::string folder_;
  std::vector<std::unique_ptr<SafetensorsReader>> readers_;
  std::map<std::string, Source> by_name_;
};

absl::StatusOr<Sources> Sources::Open(const std::string& folder) {
  Sources sources;
  sources.folder_ = folder;
  if (FileExists(JoinPath(folder, kSingleFile))) {
    RETURN_IF_ERROR(sources.Add(kSingleFile));
  } else if (FileExists(JoinPath(folder, kIndexFile))) {
    RETURN_IF_ERROR(sources.OpenShards());
  } else {
    return NoWeights(folder);
  }
  return sources;
}

absl::Status Sources::Add(const std::string& file) {
  ASSIGN_OR_RETURN(auto reader,
                   SafetensorsReader::Open(JoinPath(folder_, file)));
  for (const WeightTensor& tensor : reader->tensors()) {
    if (!by_name_.emplace(tensor.name, Source{reader.get(), &tensor}).second) {
      return BadFolder(
          folder_, absl::StrCat("tensor=", tensor.name, " is in two shards"));
    }
  }
  readers_.push_back(std::move(reader));
  return absl::OkStatus();
}

absl::Status Sources::OpenShards() {
  ASSIGN_OR_RETURN(const auto shard_of, ReadIndex(folder_));
  std::set<std::string> files;
  for (const auto& [tensor, file] : shard_of) files.insert(file);
  for (const std::string& file : files) RETURN_IF_ERROR(Add(file));
  for (const auto& [tensor, file] : shard_of) {
    const auto it = by_name_.find(tensor);
    if (it == by_name_.end() ||
        it->second.reader->path() != JoinPath(folder_, file)) {
      return BadFolder(folder_, absl::StrCat("tensor=", tensor, " is not in ",
                                             file, " as the index says"));
    }
  }
  return absl::OkStatus();
}

// Old exports carry RoPE's frequencies, and some tied ones a copy of the
// embedding; both follow from the rest.
bool IsRedundant(const std::string& name, const ModelConfig& config) {
  return absl::EndsWith(name, "rotary_emb.inv_freq") ||
         (config.tie_word_embeddings && name == "lm_head.weight");
}

absl::Status Sources::Check(const ModelConfig& config,
                            const std::vector<std::string>& others) const {
  std::set<std::string> expected_names(others.begin(), others.end());
  for (const std::string& other : others) {
    if (by_name_.contains(other)) continue;
    return BadFolder(folder_, absl::StrCat("tensor=", other, " is missing"));
  }
  for (const TensorShape& expected : ExpectedTensors(config)) {
    expected_names.insert(expected.name);
    const auto it = by_name_.find(expected.name);
    if (it == by_name_.end()) {
      return BadFolder(folder_,
                       absl::StrCat("tensor=", expected.name, " is missing"));
    }
    const WeightTensor& tensor = *it->second.tensor;
    if (tensor.shape != expected.shape) {
      return BadFolder(
          folder_,
          absl::StrCat("tensor=", tensor.name, " shape=[",
                       absl::StrJoin(tensor.shape, ", "), "], expected [",
                       absl::StrJoin(expected.shape, ", "),
                       "] by config.json"));
    }
  }
  for (const auto& [name, source] : by_name_) {
    if (expected_names.contains(name) || IsRedundant(name, config)) continue;
    return BadFolder(
        folder_, absl::StrCat("tensor=", name, " is not part of this model"));
  }
  return absl::OkStatus();
}

absl::Status ReadAsFloats(const Source& source, std::span<std::byte> out) {
  if (source.tensor->type == WeightType::kF32) {
    return source.reader->Read(*source.tensor, out);
  }
  WeightImage stored({*source.tensor});
  RETURN_IF_ERROR(source.reader->Read(*source.tensor, stored.bytes()));
  const std::vector<float> floats = stored.AsFloats(stored.tensors()[0]);
  std::memcpy(out.data(), floats.data(), out.size());
  return absl::OkStatus();
}

absl::Status Sources::ReadInto(WeightImage& image) const {
  for (const WeightTensor& tensor : image.tensors()) {
    RETURN_IF_ERROR(ReadAsFloats(by_name_.at(tensor.name),
                                 {image.data(tensor), tensor.bytes}));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadConfigJson(const std::string& folder) {
  const std::string path = JoinPath(folder, "config.json");
  if (FileExists(path)) return ReadFile(path, kMaxConfigBytes);
  return absl::NotFoundError(
      absl::StrCat("no model at ", folder, ": ", path,
                   " does not exist; point model.path at a Hugging Face "
                   "model folder"));
}

absl::StatusOr<std::shared_ptr<const WeightImage>> ReadImage(
    const ModelConfig& config, const Sources& sources) {
  auto image = std::make_shared<WeightImage>(
      WeightImage::ForModel(config, WeightType::kF32));
  RETURN_IF_ERROR(sources.ReadInto(*image));
  return image;
}

}  // namespace

absl::StatusOr<HfModel> LoadHfModel(const std::string& folder) {
  HfModel model;
  ASSIGN_OR_RETURN(model.config_json, ReadConfigJson(folder));
  ASSIGN_OR_RETURN(model.config, ParseModelConfig(model.config_json));
  ASSIGN_OR_RETURN(const Sources sources, Sources::Open(folder));
  RETURN_IF_ERROR(sources.Check(model.config));
  ASSIGN_OR_RETURN(model.weights, ReadImage(model.config, sources));
  return model;
}

absl::StatusOr<HfFolder> ReadHfFolder(const std::string& folder,
                                      const std::vector<std::string>& others) {
  HfFolder read;
  HfModel& model = read.model;
  ASSIGN_OR_RETURN(model.config_json, ReadConfigJson(folder));
  ASSIGN_OR_RETURN(model.config, ParseModelConfig(model.config_json));
  model.config.tie_word_embeddings = true;
  ASSIGN_OR_RETURN(const Sources sources, Sources::Open(folder));
  RETURN_IF_ERROR(sources.Check(model.config, others));
  ASSIGN_OR_RETURN(model.weights, ReadImage(model.config, sources));
  for (const std::string& other : others) {
    const WeightTensor& tensor = *sources.At(other).tensor;
    std::vector<float> values(tensor.bytes / SizeOf(tensor.type));
    RETURN_IF_ERROR(ReadAsFloats(sources.At(other),
                                 std::as_writable_bytes(std::span(values))));
    read.others.push_back(tensor);
    read.other_values.push_back(std::move(values));
  }
  return read;
}

}  // namespace operant
