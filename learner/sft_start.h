// Where supervised training starts and what it leaves behind: a model and a
// tokenizer, read from a folder or made anew.
#ifndef OPERANT_LEARNER_SFT_START_H_
#define OPERANT_LEARNER_SFT_START_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/nn/model_config.h"
#include "common/nn/weight_image.h"
#include "common/text/tokenizer.h"
#include "operant/v1/config.pb.h"

namespace operant::learner {

struct SftStart {
  ModelConfig model;
  std::string config_json;
  std::shared_ptr<const WeightImage> weights;  // null: random
  std::unique_ptr<Tokenizer> tokenizer;
  std::string copy_from;  // folder whose tokenizer files are kept; or ""
};

// model.init "folder": the folder's model and tokenizer.path's tokenizer.
// "random": sizes from the configuration; the tokenizer of tokenizer.path, or
// one trained on data.sft. Errors: those of LoadHfModel, Tokenizer::Load,
// TrainBpe; FailedPrecondition (the vocabulary exceeds the model's).
absl::StatusOr<SftStart> PrepareSft(const v1::RunConfig& config);

// Id that ends a response: the model's first end-of-sequence id, or -1.
int32_t EosOf(const ModelConfig& model);

// Writes a complete Hugging Face folder: weights in fp32, config.json, the
// tokenizer's files, generation_config.json.
absl::Status WriteSftFolder(const std::string& folder, const SftStart& start,
                            const WeightImage& weights);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_SFT_START_H_
