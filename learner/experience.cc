#include "learner/experience.h"

#include <torch/torch.h>

#include <algorithm>

namespace operant::learner {
namespace {

int64_t LongestResponse(const Experience& experience) {
  int64_t longest = 0;
  for (int64_t i = 0; i < experience.responses(); ++i) {
    longest = std::max(longest, experience.length(i));
  }
  return longest;
}

}  // namespace

int64_t Experience::trained_responses() const {
  return std::count(trained.begin(), trained.end(), uint8_t{1});
}

int64_t Experience::trained_tokens() const {
  int64_t sum = 0;
  for (int64_t i = 0; i < responses(); ++i) sum += trained[i] ? length(i) : 0;
  return sum;
}

at::Tensor PaddedMask(const Experience& experience) {
  const int64_t columns = LongestResponse(experience);
  at::Tensor mask = at::zeros({experience.responses(), columns}, at::kBool);
  bool* row = mask.data_ptr<bool>();
  for (int64_t i = 0; i < experience.responses(); ++i, row += columns) {
    if (experience.trained[i]) std::fill_n(row, experience.length(i), true);
  }
  return mask;
}

at::Tensor WeightColumn(const Experience& experience) {
  return torch::tensor(experience.weights, at::kFloat).unsqueeze(1);
}

at::Tensor Padded(const Experience& experience,
                  const std::vector<float>& field) {
  const int64_t columns = LongestResponse(experience);
  at::Tensor padded = at::zeros({experience.responses(), columns}, at::kFloat);
  float* row = padded.data_ptr<float>();
  for (int64_t i = 0; i < experience.responses(); ++i, row += columns) {
    std::ranges::copy(experience.Row(field, i), row);
  }
  return padded;
}

std::vector<float> Unpadded(const Experience& experience,
                            const at::Tensor& padded) {
  const at::Tensor rows = padded.contiguous();
  const float* row = rows.data_ptr<float>();
  std::vector<float> field;
  field.reserve(experience.tokens.size());
  for (int64_t i = 0; i < experience.responses(); ++i, row += rows.size(1)) {
    field.insert(field.end(), row, row + experience.length(i));
  }
  return field;
}

}  // namespace operant::learner
