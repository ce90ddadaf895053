#include "common/nn/sequence_classifier.h"

#include <cstring>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/nn/hf_folder.h"
#include "common/nn/safetensors.h"

namespace operant {
namespace {

constexpr char kHead[] = "score.weight";

const char* ArchitectureOf(const std::string& model_type) {
  static const std::map<std::string, const char*> kNames = {
      {"mistral", "MistralForSequenceClassification"},
      {"qwen2", "Qwen2ForSequenceClassification"}};
  const auto found = kNames.find(model_type);
  return found == kNames.end() ? "LlamaForSequenceClassification"
                               : found->second;
}

// transformers counts labels by their names.
std::string ClassifierConfig(const HfModel& decoder) {
  auto json = nlohmann::ordered_json::parse(decoder.config_json);
  json["architectures"] = {ArchitectureOf(decoder.config.model_type)};
  json["id2label"] = {{"0", "REWARD"}};
  json["label2id"] = {{"REWARD", 0}};
  for (const char* key : {"torch_dtype", "dtype"}) {
    if (json.contains(key)) json[key] = "float32";
  }
  return json.dump(2) + "\n";
}

absl::Status WriteWeights(const std::string& path,
                          const SequenceClassifier& classifier) {
  const WeightImage& image = *classifier.decoder.weights;
  std::vector<WeightTensor> tensors(image.tensors().begin(),
                                    image.tensors().end());
  tensors.push_back(
      {.name = kHead,
       .shape = {1, static_cast<int64_t>(classifier.head.size())}});
  ASSIGN_OR_RETURN(auto writer, SafetensorsWriter::Create(path, tensors));
  RETURN_IF_ERROR(writer->Append(image.bytes()));
  RETURN_IF_ERROR(writer->Append(std::as_bytes(std::span(classifier.head))));
  return writer->Commit();
}

}  // namespace

absl::StatusOr<SequenceClassifier> LoadSequenceClassifier(
    const std::string& folder) {
  SequenceClassifier classifier;
  ASSIGN_OR_RETURN(HfFolder read, ReadHfFolder(folder, {kHead}));
  const WeightTensor& head = read.others[0];
  const std::vector<int64_t> expected = {1, read.model.config.hidden_size};
  if (head.shape != expected) {
    return absl::DataLossError(absl::StrCat(
        "no reward model at ", folder, ": tensor=", kHead, " has ",
        head.shape.empty() ? 0 : head.shape[0],
        " rows, expected 1 for one label; train one with operant rm"));
  }
  classifier.head = read.other_values[0];
  classifier.decoder = std::move(read.model);
  return classifier;
}

SequenceClassifier ClassifierFrom(const HfModel& model) {
  SequenceClassifier classifier;
  classifier.decoder.config = model.config;
  classifier.decoder.config.tie_word_embeddings = true;
  classifier.decoder.config_json = model.config_json;
  auto image = std::make_shared<WeightImage>(
      WeightImage::ForModel(classifier.decoder.config, WeightType::kF32));
  for (const WeightTensor& tensor : image->tensors()) {
    std::memcpy(image->data(tensor),
                model.weights->data(*model.weights->Find(tensor.name)),
                tensor.bytes);
  }
  classifier.decoder.weights = std::move(image);
  classifier.head.resize(model.config.hidden_size, 0);
  return classifier;
}

absl::Status SaveSequenceClassifier(const std::string& folder,
                                    const SequenceClassifier& classifier,
                                    const std::string& copy_from) {
  RETURN_IF_ERROR(MakeDirectories(folder));
  RETURN_IF_ERROR(
      WriteWeights(JoinPath(folder, "model.safetensors"), classifier));
  RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, "config.json"),
                                      ClassifierConfig(classifier.decoder)));
  return CopyTokenizerFiles(copy_from, folder);
}

}  // namespace operant
