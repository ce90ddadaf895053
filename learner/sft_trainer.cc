#include "learner/sft_trainer.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/base/status_macros.h"
#include "common/nn/torch_status.h"
#include "learner/microbatch.h"
#include "learner/model_options.h"

namespace operant::learner {
namespace {

constexpr int64_t kDefaultPassTokens = 8192;

// Tokens of a row that the loss covers.
int64_t TrainedTokens(const SftRow& row) {
  return static_cast<int64_t>(row.tokens.size()) - row.first_trained;
}

int64_t TrainedTokens(const std::vector<SftRow>& rows,
                      const std::vector<int64_t>& batch) {
  int64_t count = 0;
  for (const int64_t row : batch) count += TrainedTokens(rows[row]);
  return count;
}

// A pass as tensors. A row of n tokens is read at n - 1 positions; `trained`
// are the packed positions whose next token is learned, `targets` those tokens.
struct PassTensors {
  TokenBatch batch;
  at::Tensor trained;  // [M] int64
  at::Tensor targets;  // [M] int64
};

PassTensors MakePass(const std::vector<SftRow>& rows,
                     std::span<const int64_t> pass) {
  const auto count = static_cast<int64_t>(pass.size());
  at::Tensor lengths = at::empty({count}, at::kLong);
  int64_t longest = 0;
  for (int64_t b = 0; b < count; ++b) {
    const auto read = static_cast<int64_t>(rows[pass[b]].tokens.size()) - 1;
    lengths.data_ptr<int64_t>()[b] = read;
    longest = std::max(longest, read);
  }
  at::Tensor tokens = at::zeros({count, longest}, at::kLong);
  std::vector<int64_t> trained;
  std::vector<int64_t> targets;
  int64_t begin = 0;  // packed position of the row's first token
  for (int64_t b = 0; b < count; ++b) {
    const SftRow& row = rows[pass[b]];
    const auto read = static_cast<int64_t>(row.tokens.size()) - 1;
    std::copy_n(row.tokens.begin(), read,
                tokens.data_ptr<int64_t>() + b * longest);
    for (int64_t t = row.first_trained; t <= read; ++t) {
      trained.push_back(begin + t - 1);
      targets.push_back(row.tokens[t]);
    }
    begin += read;
  }
  return {{tokens, lengths}, at::tensor(trained), at::tensor(targets)};
}

}  // namespace

absl::StatusOr<std::unique_ptr<SftTrainer>> SftTrainer::Create(
    const v1::RunConfig& config, const SftStart& start) {
  const v1::SftSection& sft = config.sft();
  ASSIGN_OR_RETURN(const Device device, ParseDevice(sft.device()));
  std::unique_ptr<SftTrainer> trainer(new SftTrainer(config, device));
  RETURN_IF_ERROR(CatchTorch("create the model", [&] {
    if (sft.threads() > 0) at::set_num_threads(static_cast<int>(sft.threads()));
    trainer->model_ =
        CausalLm::Create(start.model, ModelOptions(config, device));
    if (start.weights != nullptr) {
      trainer->model_->Load(*start.weights);
    } else {
      trainer->model_->InitRandom(config.run().seed());
    }
    AdamWOptions options;
    options.beta1 = sft.adam_beta1();
    options.beta2 = sft.adam_beta2();
    options.weight_decay = sft.weight_decay();
    options.max_gradient_norm = sft.max_gradient_norm();
    std::vector<ParameterGroup> groups = {
        {trainer->model_->Parameters(), sft.learning_rate()}};
    trainer->optimiser_ = std::make_unique<AdamW>(std::move(groups), options);
    return absl::OkStatus();
  }));
  return trainer;
}

std::vector<std::vector<int64_t>> SftTrainer::PassesOf(
    const std::vector<SftRow>& rows, const std::vector<int64_t>& batch) const {
  std::vector<int64_t> lengths(rows.size());
  for (const int64_t row : batch) {
    lengths[row] = static_cast<int64_t>(rows[row].tokens.size());
  }
  return PackMicrobatches(batch, lengths,
                          pass_tokens_ > 0 ? pass_tokens_ : kDefaultPassTokens);
}

// Sum of the log-probs of the pass's trained tokens, with gradient.
at::Tensor SftTrainer::LogProbSum(const std::vector<SftRow>& rows,
                                  std::span<const int64_t> pass) {
  PassTensors tensors = MakePass(rows, pass);
  const at::Tensor hidden = model_->Hidden(tensors.batch);
  const at::Device device = hidden.device();
  const at::Tensor trained = hidden.index_select(0, tensors.trained.to(device));
  return model_
      ->LogProbs(trained, tensors.targets.to(device), /*temperature=*/1,
                 /*entropy_gradient=*/false)
      .first.sum();
}

absl::StatusOr<SftStep> SftTrainer::Step(const std::vector<SftRow>& rows,
                                         const std::vector<int64_t>& batch,
                                         double learning_rate_scale) {
  SftStep step;
  RETURN_IF_ERROR(CatchTorch("supervised training step", [&] {
    const auto trained = static_cast<double>(TrainedTokens(rows, batch));
    at::Tensor total = at::zeros({});
    for (const std::vector<int64_t>& pass : PassesOf(rows, batch)) {
      const at::Tensor loss = LogProbSum(rows, pass) / -trained;
      loss.backward();
      total = total.to(loss.device()) + loss.detach();
    }
    step.optimiser = optimiser_->Step(learning_rate_scale);
    step.loss = total.item<double>();
    for (const int64_t row : batch) {
      step.tokens += static_cast<int64_t>(rows[row].tokens.size());
    }
    return absl::OkStatus();
  }));
  return step;
}

absl::StatusOr<double> SftTrainer::Perplexity(const std::vector<SftRow>& rows) {
  double sum = 0;
  std::vector<int64_t> all(rows.size());
  std::iota(all.begin(), all.end(), 0);
  RETURN_IF_ERROR(CatchTorch("held-out perplexity", [&] {
    const at::NoGradGuard no_grad;
    for (const std::vector<int64_t>& pass : PassesOf(rows, all)) {
      sum += LogProbSum(rows, pass).item<double>();
    }
    return absl::OkStatus();
  }));
  return std::exp(-sum / static_cast<double>(TrainedTokens(rows, all)));
}

absl::StatusOr<WeightImage> SftTrainer::Weights() const {
  std::optional<WeightImage> weights;
  RETURN_IF_ERROR(CatchTorch("export the weights", [&] {
    weights = model_->Export();
    return absl::OkStatus();
  }));
  return *std::move(weights);
}

absl::Status SftTrainer::LoadWeights(const WeightImage& weights) {
  return CatchTorch("load the weights", [&] {
    model_->Load(weights);
    return absl::OkStatus();
  });
}

}  // namespace operant::learner
