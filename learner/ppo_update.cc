#include "learner/ppo_update.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/nn/torch_status.h"
#include "learner/microbatch.h"
#include "learner/pass_tensors.h"
#include "learner/ppo_math.h"

namespace operant::learner {
namespace {

using Rows = std::vector<int64_t>;

PpoCoefficients CoefficientsOf(const v1::PpoSection& ppo) {
  return {.clip = {.low = ppo.clip_low(),
                   .high = ppo.clip_high(),
                   .dual = ppo.dual_clip()},
          .value_clip = ppo.value_clip(),
          .value = ppo.value_coefficient(),
          .entropy = ppo.entropy_coefficient()};
}

// Figures of a minibatch, summed over its passes on the device: each is already
// divided by the minibatch's tokens. One copy to the host per optimiser step.
enum Figure {
  kTotalLoss,
  kPolicyLoss,
  kValueLoss,
  kEntropy,
  kClipLow,
  kClipHigh,
  kKl1,
  kKl2,
  kKl3,
  kFigures,
};

struct MinibatchFigures {
  at::Tensor sums;             // [kFigures]
  at::Tensor ratio_deviation;  // [1], max |ratio - 1|
};

class Updater {
 public:
  Updater(const Experience& experience, const UpdateOptions& options,
          const PpoLearner& learner)
      : e_(experience),
        options_(options),
        learner_(learner),
        coefficients_(CoefficientsOf(*options.ppo)),
        fits_values_(options.ppo->critic() == "least_squares"),
        device_(learner.value_head->Parameters().front().second.device()) {
    for (int64_t i = 0; i < e_.responses(); ++i) {
      pass_lengths_.push_back(PassLength(e_, i));
    }
  }

  // PPO, Algorithm 1: K epochs of minibatch steps on one batch of samples.
  absl::StatusOr<UpdateStats> Run() {
    stats_.kept_responses = e_.trained_responses();
    for (uint32_t epoch = 0; epoch < options_.ppo->epochs(); ++epoch) {
      for (const Rows& minibatch :
           ShuffledMinibatches(e_.responses(), options_.minibatch_samples,
                               {options_.seed, options_.step, epoch})) {
        RETURN_IF_ERROR(TrainOnMinibatch(minibatch));
      }
    }
    FinishMeans();
    if (fits_values_) RETURN_IF_ERROR(FitValues());
    return stats_;
  }

 private:
  // Passes, backward, and one optimiser step.
  absl::Status TrainOnMinibatch(const Rows& minibatch) {
    const double tokens = WeightedTokens(minibatch);
    if (tokens <= 0) return absl::OkStatus();
    MinibatchFigures figures = {at::zeros({kFigures}, device_),
                                at::zeros({1}, device_)};
    learner_.optimizer->ZeroGradients();
    const std::vector<Rows> passes = PackMicrobatches(
        ShareOf(minibatch), pass_lengths_, options_.microbatch_tokens);
    for (const Rows& pass : passes) {
      PpoInputs inputs = Forward(pass);
      inputs.mean.denominator = tokens;
      const PpoLossParts loss = PpoLoss(inputs, coefficients_);
      Backward(loss, /*is_last=*/&pass == &passes.back());
      Observe(inputs, loss, figures);
    }
    learner_.optimizer->QueueSums();
    RETURN_IF_ERROR(SumFigures(figures));
    return ApplyGradients(figures);
  }

  // During the last one the ranks sum what is there.
  void Backward(const PpoLossParts& loss, bool is_last) const {
    const TraceSpan span(options_.trace, "backward");
    if (is_last) learner_.optimizer->SumDuringBackward();
    loss.total.backward();
  }

  // This rank's part of a minibatch.
  Rows ShareOf(const Rows& minibatch) const {
    return BalancedShares(
        TrainedRows(minibatch), pass_lengths_,
        learner_.collective->size())[learner_.collective->rank()];
  }

  // Of all ranks, so that all decide alike.
  absl::Status SumFigures(const MinibatchFigures& figures) const {
    const auto sums = learner_.collective->AllReduce(
        figures.sums, Reduction::kSum, "loss figures");
    const auto deviation = learner_.collective->AllReduce(
        figures.ratio_deviation, Reduction::kMax, "ratio deviation");
    RETURN_IF_ERROR(sums->Wait());
    return deviation->Wait();
  }

  // To what all ranks observed.
  absl::Status FitValues() const {
    RETURN_IF_ERROR(learner_.collective
                        ->AllReduce(learner_.value_head->observed(),
                                    Reduction::kSum, "value moments")
                        ->Wait());
    learner_.value_head->Fit();
    return absl::OkStatus();
  }

  absl::Status ApplyGradients(const MinibatchFigures& figures) {
    const at::Tensor host = figures.sums.cpu();
    const float* sums = host.data_ptr<float>();
    if (!std::isfinite(sums[kTotalLoss])) {
      ++stats_.skipped_steps;
      ++stats_.non_finite_losses;
      return learner_.optimizer->Skip();
    }
    RETURN_IF_ERROR(CheckInitialRatio(figures));
    ASSIGN_OR_RETURN(const AdamWStep step,
                     learner_.optimizer->Step(options_.learning_rate_scale));
    if (!step.applied) {
      ++stats_.skipped_steps;
      return absl::OkStatus();
    }
    Record(sums, step);
    return absl::OkStatus();
  }

  PpoInputs Forward(const Rows& rows) const {
    const TraceSpan span(options_.trace, "forward");
    const PassTensors pass = GatherPass(e_, rows, e_.weights, device_);
    const at::Tensor hidden =
        learner_.policy->Hidden(pass.sequences).index_select(0, pass.states);
    PpoInputs in;
    std::tie(in.logp, in.entropy) = learner_.policy->LogProbs(
        hidden, pass.targets, options_.temperature,
        /*entropy_gradient=*/coefficients_.entropy != 0);
    in.values = ValuesOf(hidden, pass);
    in.old_logp = pass.old_logp;
    in.advantages = pass.advantages;
    in.importance = ImportanceWeight(pass.old_logp, pass.sampler_logp,
                                     options_.ppo->importance_cap());
    in.targets = {.old_values = pass.old_values, .returns = pass.returns};
    in.mean.mask = at::ones_like(pass.advantages, at::kBool);
    in.mean.weight = pass.weights;
    return in;
  }

  // With gradient, or noted for the fit at the end.
  at::Tensor ValuesOf(const at::Tensor& hidden, const PassTensors& pass) const {
    if (!fits_values_) return learner_.value_head->Values(hidden);
    const torch::NoGradGuard no_grad;
    learner_.value_head->Observe(hidden, pass.returns, pass.weights);
    return learner_.value_head->Values(hidden);
  }

  // How many tokens the rows stand for: their count where all weights are 1, an
  // unbiased estimate of the step's where rows were selected.
  double WeightedTokens(const Rows& rows) const {
    double tokens = 0;
    for (const int64_t i : rows) {
      if (e_.trained[i]) tokens += e_.weights[i] * double(e_.length(i));
    }
    return tokens;
  }

  Rows TrainedRows(const Rows& rows) const {
    Rows trained;
    std::ranges::copy_if(rows, std::back_inserter(trained),
                         [this](int64_t i) { return e_.trained[i]; });
    return trained;
  }

  void Observe(const PpoInputs& in, const PpoLossParts& loss,
               MinibatchFigures& figures) {
    const torch::NoGradGuard no_grad;
    const at::Tensor ratio = ProbabilityRatio(in.logp, in.old_logp);
    const ClipShares clip =
        ClippedShares(ratio, in.advantages, in.mean, coefficients_.clip);
    const auto kl = [&in](KlEstimator estimator) {
      return ApproxKl(in.old_logp, in.logp, in.mean, estimator);
    };
    figures.sums += at::stack(
        {loss.total, loss.policy, loss.value, loss.entropy, clip.low, clip.high,
         kl(KlEstimator::kK1), kl(KlEstimator::kK2), kl(KlEstimator::kK3)});
    figures.ratio_deviation =
        at::max(figures.ratio_deviation, (ratio - 1).abs().max());
    ++stats_.microbatches;
  }

  absl::Status CheckInitialRatio(const MinibatchFigures& figures) {
    if (stats_.optimizer_steps > 0) return absl::OkStatus();
    const double deviation = figures.ratio_deviation.item<double>();
    stats_.initial_ratio_deviation = deviation;
    if (deviation <= options_.ppo->ratio_tolerance()) return absl::OkStatus();
    RETURN_IF_ERROR(learner_.optimizer->Skip());
    return absl::InternalError(absl::StrCat(
        "update refused: |ratio - 1|=", deviation,
        " before the first optimiser step, expected at most "
        "ppo.ratio_tolerance=",
        options_.ppo->ratio_tolerance(),
        "; old_logp was not taken from these weights at this temperature, or "
        "the tolerance is too tight for this model's arithmetic"));
  }

  void Record(const float* sums, const AdamWStep& step) {
    stats_.policy_loss += sums[kPolicyLoss];
    stats_.value_loss += sums[kValueLoss];
    stats_.entropy += sums[kEntropy];
    stats_.clip_low += sums[kClipLow];
    stats_.clip_high += sums[kClipHigh];
    stats_.update_kl_k1 += sums[kKl1];
    stats_.update_kl_k2 += sums[kKl2];
    stats_.update_kl_k3 += sums[kKl3];
    stats_.gradient_norm += step.gradient_norm;
    stats_.max_gradient_norm =
        std::max(stats_.max_gradient_norm, step.gradient_norm);
    stats_.clipped_steps += step.clipped ? 1 : 0;
    ++stats_.optimizer_steps;
  }

  void FinishMeans() {
    const double steps =
        static_cast<double>(std::max<int64_t>(stats_.optimizer_steps, 1));
    for (double* sum :
         {&stats_.policy_loss, &stats_.value_loss, &stats_.entropy,
          &stats_.clip_low, &stats_.clip_high, &stats_.update_kl_k1,
          &stats_.update_kl_k2, &stats_.update_kl_k3, &stats_.gradient_norm}) {
      *sum /= steps;
    }
  }

  const Experience& e_;
  const UpdateOptions& options_;
  const PpoLearner& learner_;
  const PpoCoefficients coefficients_;
  const bool fits_values_;
  const at::Device device_;
  std::vector<int64_t> pass_lengths_;  // [B]
  UpdateStats stats_;
};

}  // namespace

absl::StatusOr<UpdateStats> PpoUpdate(const Experience& experience,
                                      const UpdateOptions& options,
                                      const PpoLearner& learner) {
  UpdateStats stats;
  RETURN_IF_ERROR(CatchTorch("ppo update", [&]() -> absl::Status {
    ASSIGN_OR_RETURN(stats, Updater(experience, options, learner).Run());
    return absl::OkStatus();
  }));
  return stats;
}

}  // namespace operant::learner
