#include "learner/rm_trainer.h"

#include <torch/torch.h>

#include <cmath>
#include <numeric>
#include <utility>

#include "common/base/status_macros.h"
#include "common/nn/torch_status.h"
#include "learner/microbatch.h"
#include "learner/preference_loss.h"

namespace operant::learner {
namespace {

constexpr int64_t kDefaultPassTokens = 8192;
constexpr char kHead[] = "score.weight";

// Both sides of every pair, the chosen ones first.
TokenBatch MakeBatch(const std::vector<TokenPair>& pairs,
                     std::span<const int64_t> pass) {
  std::vector<const std::vector<int32_t>*> sequences;
  for (const int64_t row : pass) sequences.push_back(&pairs[row].chosen);
  for (const int64_t row : pass) sequences.push_back(&pairs[row].rejected);
  int64_t longest = 0;
  for (const auto* sequence : sequences)
    longest = std::max(longest, static_cast<int64_t>(sequence->size()));
  const auto count = static_cast<int64_t>(sequences.size());
  TokenBatch batch = {at::zeros({count, longest}, at::kLong),
                      at::empty({count}, at::kLong)};
  for (int64_t b = 0; b < count; ++b) {
    std::ranges::copy(*sequences[b],
                      batch.tokens.data_ptr<int64_t>() + b * longest);
    batch.lengths.data_ptr<int64_t>()[b] =
        static_cast<int64_t>(sequences[b]->size());
  }
  return batch;
}

at::Tensor MarginsOf(const std::vector<TokenPair>& pairs,
                     std::span<const int64_t> pass, at::Device device) {
  std::vector<double> margins;
  for (const int64_t row : pass) margins.push_back(pairs[row].margin);
  return at::tensor(margins, at::kDouble).to(at::kFloat).to(device);
}

std::vector<float> ToFloats(const at::Tensor& tensor) {
  const at::Tensor host = tensor.detach().cpu().contiguous();
  return {host.data_ptr<float>(), host.data_ptr<float>() + host.numel()};
}

}  // namespace

absl::StatusOr<std::unique_ptr<RmTrainer>> RmTrainer::Create(
    const v1::RunConfig& config, const SequenceClassifier& start) {
  ASSIGN_OR_RETURN(const Device device, ParseDevice(config.rm().device()));
  std::unique_ptr<RmTrainer> trainer(new RmTrainer(config, device));
  RETURN_IF_ERROR(CatchTorch("create the reward model", [&] {
    const v1::RmSection& rm = trainer->section_;
    if (rm.threads() > 0) at::set_num_threads(static_cast<int>(rm.threads()));
    trainer->model_ =
        CausalLm::Create(start.decoder.config, {.device = device});
    trainer->head_ =
        torch::zeros({start.decoder.config.hidden_size},
                     at::TensorOptions()
                         .dtype(at::kFloat)
                         .device(device == Device::kCuda ? at::kCUDA : at::kCPU)
                         .requires_grad(true));
    trainer->optimiser_ = std::make_unique<AdamW>(
        std::vector<ParameterGroup>{
            {trainer->model_->Parameters(), rm.learning_rate()},
            {{{kHead, trainer->head_}}, rm.learning_rate()}},
        AdamWOptions{.weight_decay = rm.weight_decay(),
                     .max_gradient_norm = rm.max_gradient_norm()});
    return absl::OkStatus();
  }));
  RETURN_IF_ERROR(trainer->Load(start));
  return trainer;
}

// A pair is never cut, and costs both its sides.
std::vector<std::vector<int64_t>> RmTrainer::PassesOf(
    const std::vector<TokenPair>& pairs,
    const std::vector<int64_t>& batch) const {
  std::vector<int64_t> lengths(pairs.size());
  for (const int64_t row : batch) lengths[row] = 2 * pairs[row].longest();
  return PackMicrobatches(batch, lengths,
                          pass_tokens_ > 0 ? pass_tokens_ : kDefaultPassTokens);
}

at::Tensor RmTrainer::Scores(const std::vector<TokenPair>& pairs, Pass pass) {
  const TokenBatch batch = MakeBatch(pairs, pass);
  const at::Tensor hidden = model_->Hidden(batch);
  const at::Tensor last = at::cumsum(batch.lengths, 0) - 1;
  return at::mv(hidden.index_select(0, last.to(hidden.device())), head_)
      .view({2, static_cast<int64_t>(pass.size())});
}

absl::StatusOr<RmStep> RmTrainer::Step(const std::vector<TokenPair>& pairs,
                                       const std::vector<int64_t>& batch,
                                       double learning_rate_scale) {
  RmStep step;
  RETURN_IF_ERROR(CatchTorch("reward-model step", [&] {
    const auto count = static_cast<double>(batch.size());
    optimiser_->ZeroGradients();
    for (const std::vector<int64_t>& pass : PassesOf(pairs, batch)) {
      const at::Tensor scores = Scores(pairs, pass);
      const at::Tensor loss =
          PreferenceLoss(scores[0], scores[1],
                         MarginsOf(pairs, pass, scores.device()),
                         section_.center_coefficient())
              .sum() /
          count;
      loss.backward();
      step.loss += loss.item<double>();
      step.accuracy += (scores[0] > scores[1]).sum().item<double>() / count;
    }
    step.optimiser = optimiser_->Step(learning_rate_scale);
    return absl::OkStatus();
  }));
  return step;
}

absl::StatusOr<RmEvaluation> RmTrainer::Evaluate(
    const std::vector<TokenPair>& pairs) {
  RmEvaluation result;
  RETURN_IF_ERROR(CatchTorch("reward-model evaluation", [&] {
    const torch::NoGradGuard no_grad;
    std::vector<int64_t> all(pairs.size());
    std::iota(all.begin(), all.end(), 0);
    double right = 0, sum = 0, squares = 0;
    for (const std::vector<int64_t>& pass : PassesOf(pairs, all)) {
      const at::Tensor scores = Scores(pairs, pass).to(at::kDouble);
      right += (scores[0] > scores[1]).sum().item<double>();
      sum += scores.sum().item<double>();
      squares += scores.square().sum().item<double>();
    }
    const auto count = static_cast<double>(pairs.size());
    result.accuracy = right / count;
    result.mean = sum / (2 * count);
    result.std = std::sqrt(
        std::max(0.0, squares / (2 * count) - result.mean * result.mean));
    return absl::OkStatus();
  }));
  return result;
}

absl::Status RmTrainer::Export(SequenceClassifier& classifier) const {
  return CatchTorch("export the reward model", [&] {
    classifier.decoder.weights =
        std::make_shared<const WeightImage>(model_->Export());
    classifier.head = ToFloats(head_);
    return absl::OkStatus();
  });
}

absl::Status RmTrainer::Load(const SequenceClassifier& classifier) {
  return CatchTorch("load the reward model", [&] {
    const torch::NoGradGuard no_grad;
    model_->Load(*classifier.decoder.weights);
    head_.copy_(torch::tensor(classifier.head, at::kFloat));
    return absl::OkStatus();
  });
}

}  // namespace operant::learner
