// A Hugging Face ...ForSequenceClassification folder with one label: a decoder
// and a linear head that reads the last token's state into one number. What a
// reward model is.
#ifndef OPERANT_COMMON_NN_SEQUENCE_CLASSIFIER_H_
#define OPERANT_COMMON_NN_SEQUENCE_CLASSIFIER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/nn/weight_image.h"

namespace operant {

// The decoder has no output layer: its configuration is a tied one.
struct SequenceClassifier {
  HfModel decoder;
  std::vector<float> head;  // [D], "score.weight"
};

// As LoadHfModel. DataLoss too if there is no "score.weight" of one row: a
// folder of another kind, or of several labels.
absl::StatusOr<SequenceClassifier> LoadSequenceClassifier(
    const std::string& folder);

// The decoder of a causal language model, its output layer left out, with a
// head of zeros.
SequenceClassifier ClassifierFrom(const HfModel& model);

// Writes model.safetensors (fp32), config.json (that of the decoder, as the
// classifier of its family with one label), and the tokenizer's files of
// `copy_from`. Each file is atomic and fsynced.
absl::Status SaveSequenceClassifier(const std::string& folder,
                                    const SequenceClassifier& classifier,
                                    const std::string& copy_from);

}  // namespace operant

#endif  // OPERANT_COMMON_NN_SEQUENCE_CLASSIFIER_H_
