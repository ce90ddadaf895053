// Logits of a model folder, for comparison with other implementations.
//
//   logits_tool FOLDER [SAVE_TO TYPE]  < ids  > logits
//
// Standard input: one sequence of token ids a line, separated by spaces.
// Standard output: the fp32 logits of every position, [sum of lengths, V], raw.
// With SAVE_TO the folder is also written again, in f32, f16 or bf16.
#include <torch/torch.h>

#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "common/base/status_macros.h"
#include "common/nn/causal_lm.h"
#include "common/nn/torch_status.h"
#include "common/nn/weight_image.h"

namespace operant {
namespace {

TokenBatch ReadBatch(std::istream& in) {
  std::vector<std::vector<int64_t>> rows;
  size_t longest = 0;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::vector<int64_t>& row = rows.emplace_back();
    for (int64_t id; words >> id;) row.push_back(id);
    longest = std::max(longest, row.size());
  }
  const auto count = static_cast<int64_t>(rows.size());
  TokenBatch batch = {
      at::zeros({count, static_cast<int64_t>(longest)}, at::kLong),
      at::zeros({count}, at::kLong)};
  for (int64_t b = 0; b < count; ++b) {
    batch.lengths[b] = static_cast<int64_t>(rows[b].size());
    for (size_t i = 0; i < rows[b].size(); ++i) {
      batch.tokens[b][static_cast<int64_t>(i)] = rows[b][i];
    }
  }
  return batch;
}

absl::Status WriteLogits(const HfModel& model, const TokenBatch& batch) {
  return CatchTorch("logits", [&] {
    const at::NoGradGuard no_grad;
    const auto module = CausalLm::Create(model.config, {});
    module->Load(*model.weights);
    const at::Tensor logits =
        module->Logits(module->Hidden(batch)).contiguous();
    std::fwrite(logits.data_ptr<float>(), sizeof(float), logits.numel(),
                stdout);
    return absl::OkStatus();
  });
}

absl::Status Run(const std::vector<std::string>& arguments) {
  ASSIGN_OR_RETURN(const HfModel model, LoadHfModel(arguments.at(0)));
  if (arguments.size() == 3) {
    const WeightType type = arguments[2] == "bf16"  ? WeightType::kBf16
                            : arguments[2] == "f16" ? WeightType::kF16
                                                    : WeightType::kF32;
    RETURN_IF_ERROR(SaveHfModel(arguments[1], model.config, model.config_json,
                                *model.weights, type, arguments[0]));
  }
  return WriteLogits(model, ReadBatch(std::cin));
}

}  // namespace
}  // namespace operant

int main(int argc, char** argv) {
  if (argc != 2 && argc != 4) {
    std::cerr << "usage: logits_tool FOLDER [SAVE_TO f32|f16|bf16] < ids\n";
    return 64;
  }
  const absl::Status status = operant::Run({argv + 1, argv + argc});
  if (!status.ok()) std::cerr << status.ToString() << "\n";
  return status.ok() ? 0 : 1;
}
