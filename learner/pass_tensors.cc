#include "learner/pass_tensors.h"

#include <torch/torch.h>

#include <algorithm>
#include <vector>

namespace operant::learner {
namespace {

template <typename T>
at::Tensor Copied(const std::vector<T>& values, at::Device device) {
  return torch::tensor(values, c10::CppTypeToScalarType<T>::value).to(device);
}

TokenBatch SequencesOf(const Experience& e, std::span<const int64_t> rows,
                       at::Device device) {
  std::vector<int64_t> lengths;
  for (const int64_t i : rows) lengths.push_back(PassLength(e, i));
  const int64_t longest = *std::ranges::max_element(lengths);
  const auto count = static_cast<int64_t>(rows.size());
  std::vector<int64_t> tokens(count * longest, 0);
  for (int64_t k = 0; k < count; ++k) {
    const auto response = e.Row(e.tokens, rows[k]);
    const auto after_prompt =
        std::ranges::copy(e.Prompt(rows[k]), tokens.begin() + k * longest).out;
    std::ranges::copy(response.first(response.size() - 1), after_prompt);
  }
  return {Copied(tokens, device).view({count, longest}),
          torch::tensor(lengths, at::kLong)};
}

// s_t of row i is its position P_i - 1 + t (see ppo_math.h).
at::Tensor StatesOf(const Experience& e, std::span<const int64_t> rows,
                    at::Device device) {
  std::vector<int64_t> states;
  int64_t row_begin = 0;
  for (const int64_t i : rows) {
    for (int64_t t = 0; t < e.length(i); ++t) {
      states.push_back(row_begin + e.prompt_length(i) - 1 + t);
    }
    row_begin += PassLength(e, i);
  }
  return Copied(states, device);
}

at::Tensor TargetsOf(const Experience& e, std::span<const int64_t> rows,
                     at::Device device) {
  std::vector<int64_t> targets;
  for (const int64_t i : rows) {
    const auto row = e.Row(e.tokens, i);
    targets.insert(targets.end(), row.begin(), row.end());
  }
  return Copied(targets, device);
}

at::Tensor WeightsOf(const Experience& e, std::span<const int64_t> rows,
                     std::span<const float> row_weights, at::Device device) {
  std::vector<float> weights;
  for (const int64_t i : rows) {
    weights.insert(weights.end(), e.length(i), row_weights[i]);
  }
  return Copied(weights, device);
}

}  // namespace

int64_t PassLength(const Experience& experience, int64_t row) {
  return experience.prompt_length(row) + experience.length(row) - 1;
}

PassTensors GatherPass(const Experience& e, std::span<const int64_t> rows,
                       std::span<const float> row_weights, at::Device device) {
  const auto gathered = [&](const std::vector<float>& field) {
    std::vector<float> values;
    for (const int64_t i : rows) {
      const auto row = e.Row(field, i);
      values.insert(values.end(), row.begin(), row.end());
    }
    return Copied(values, device);
  };
  return {.sequences = SequencesOf(e, rows, device),
          .states = StatesOf(e, rows, device),
          .targets = TargetsOf(e, rows, device),
          .old_logp = gathered(e.old_logp),
          .sampler_logp = gathered(e.sampler_logp),
          .old_values = gathered(e.values),
          .advantages = gathered(e.advantages),
          .returns = gathered(e.returns),
          .weights = WeightsOf(e, rows, row_weights, device)};
}

}  // namespace operant::learner
