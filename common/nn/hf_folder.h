// The parts of a Hugging Face folder that more than one kind of model reads and
// writes.
#ifndef OPERANT_COMMON_NN_HF_FOLDER_H_
#define OPERANT_COMMON_NN_HF_FOLDER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/nn/weight_image.h"

namespace operant {

// A decoder without an output layer, and what else lies beside it.
struct HfFolder {
  HfModel model;                     // of a tied configuration
  std::vector<WeightTensor> others;  // in the order asked for
  std::vector<std::vector<float>> other_values;
};

// As LoadHfModel, with the tensors `others` beside the decoder's, all of them
// required.
absl::StatusOr<HfFolder> ReadHfFolder(const std::string& folder,
                                      const std::vector<std::string>& others);

// tokenizer.json, its configuration and templates, as far as they are there.
absl::Status CopyTokenizerFiles(const std::string& from, const std::string& to);

}  // namespace operant

#endif  // OPERANT_COMMON_NN_HF_FOLDER_H_
