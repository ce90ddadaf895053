#include "learner/sft_start.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/text/bpe_trainer.h"
#include "learner/sft_data.h"
#include "nlohmann/json.hpp"

namespace operant::learner {
namespace {

// Ends a response and pads; the first id of a tokenizer trained here.
constexpr char kEndOfText[] = "<|endoftext|>";
constexpr double kRmsNormEps = 1e-5;

ModelConfig SizesOf(const v1::ModelSection& model) {
  ModelConfig config;
  config.hidden_size = model.hidden_size();
  config.intermediate_size = model.intermediate_size();
  config.num_hidden_layers = model.num_hidden_layers();
  config.num_attention_heads = model.num_attention_heads();
  config.num_key_value_heads = model.num_key_value_heads() > 0
                                   ? model.num_key_value_heads()
                                   : config.num_attention_heads;
  config.head_dim = model.head_dim() > 0
                        ? model.head_dim()
                        : config.hidden_size / config.num_attention_heads;
  config.max_position_embeddings = model.max_position_embeddings();
  config.rope_theta = model.rope_theta();
  config.rms_norm_eps = kRmsNormEps;
  config.tie_word_embeddings = !model.untie_word_embeddings();
  return config;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> TrainTokenizer(
    const v1::RunConfig& config) {
  ASSIGN_OR_RETURN(SftTexts rows, ReadSftTexts(config.data().sft()));
  BpeTrainerOptions options;
  options.vocab_size =
      static_cast<int32_t>(config.tokenizer().train_vocab_size());
  options.whole_words =
      static_cast<int32_t>(config.tokenizer().train_whole_words());
  options.special_tokens = {kEndOfText};
  // Merges are best spent on what the model writes. Where its words are whole,
  // they are left for what it reads.
  BpeTexts texts;
  texts.written = std::move(rows.responses);
  if (texts.written.empty() || options.whole_words > 0) {
    texts.read = std::move(rows.prompts);
  }
  ASSIGN_OR_RETURN(const std::string json, TrainBpe(options, texts));
  ASSIGN_OR_RETURN(auto tokenizer, Tokenizer::Parse(json));
  LogInfo("tokenizer trained",
          {{"texts", texts.written.size() + texts.read.size()},
           {"vocab_size", tokenizer->vocab_size()}});
  return tokenizer;
}

absl::StatusOr<SftStart> StartAtRandom(const v1::RunConfig& config) {
  SftStart start;
  const std::string& path = config.tokenizer().path();
  if (path.empty()) {
    ASSIGN_OR_RETURN(start.tokenizer, TrainTokenizer(config));
  } else {
    ASSIGN_OR_RETURN(start.tokenizer, Tokenizer::Load(path));
    if (FileExists(JoinPath(path, "tokenizer.json"))) start.copy_from = path;
  }
  start.model = SizesOf(config.model());
  start.model.vocab_size = start.tokenizer->vocab_size();
  const int32_t eos = start.tokenizer->TokenToId(kEndOfText);
  if (eos < 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "cannot start at random with this tokenizer: tokenizer.path=", path,
        " has no token ", kEndOfText,
        ", expected one to end responses with; train a tokenizer by leaving "
        "tokenizer.path empty"));
  }
  start.model.eos_token_ids = {eos};
  start.config_json = WriteModelConfig(start.model);
  // What was written is what others will read: the same checks apply.
  ASSIGN_OR_RETURN(start.model, ParseModelConfig(start.config_json));
  return start;
}

absl::StatusOr<SftStart> StartFromFolder(const v1::RunConfig& config) {
  const std::string& folder = config.model().path();
  ASSIGN_OR_RETURN(HfModel model, LoadHfModel(folder));
  SftStart start;
  start.model = std::move(model.config);
  start.config_json = std::move(model.config_json);
  start.weights = std::move(model.weights);
  start.copy_from = folder;
  const std::string& path = config.tokenizer().path();
  ASSIGN_OR_RETURN(start.tokenizer,
                   Tokenizer::Load(path.empty() ? folder : path));
  if (start.tokenizer->vocab_size() > start.model.vocab_size) {
    return absl::FailedPreconditionError(absl::StrCat(
        "tokenizer does not fit the model: vocab_size=",
        start.tokenizer->vocab_size(), ", expected at most ",
        start.model.vocab_size, "; check tokenizer.path and model.path"));
  }
  return start;
}

std::string GenerationConfigJson(const ModelConfig& model) {
  nlohmann::ordered_json json;
  json["_from_model_config"] = true;
  json["do_sample"] = true;
  const int32_t eos = EosOf(model);
  if (eos >= 0) {
    json["eos_token_id"] = eos;
    json["pad_token_id"] = eos;
  }
  return json.dump(2) + "\n";
}

// Files that copying did not bring.
absl::Status WriteMissing(const std::string& folder, const std::string& name,
                          const std::string& contents) {
  const std::string path = JoinPath(folder, name);
  if (FileExists(path)) return absl::OkStatus();
  return WriteFileAtomically(path, contents);
}

}  // namespace

int32_t EosOf(const ModelConfig& model) {
  return model.eos_token_ids.empty() ? -1 : model.eos_token_ids[0];
}

absl::StatusOr<SftStart> PrepareSft(const v1::RunConfig& config) {
  return config.model().init() == "random" ? StartAtRandom(config)
                                           : StartFromFolder(config);
}

absl::Status WriteSftFolder(const std::string& folder, const SftStart& start,
                            const WeightImage& weights) {
  RETURN_IF_ERROR(SaveHfModel(folder, start.model, start.config_json, weights,
                              WeightType::kF32, start.copy_from));
  RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, "tokenizer.json"),
                                      start.tokenizer->json()));
  const TokenizerConfig tokenizer = {
      .eos_token = kEndOfText,
      .pad_token = kEndOfText,
      .model_max_length = start.model.max_position_embeddings};
  if (start.weights == nullptr) {
    RETURN_IF_ERROR(WriteMissing(folder, "tokenizer_config.json",
                                 TokenizerConfigJson(tokenizer)));
  }
  return WriteMissing(folder, "generation_config.json",
                      GenerationConfigJson(start.model));
}

}  // namespace operant::learner
