#include "learner/ppo_math.h"

#include <torch/torch.h>

namespace operant::learner {
namespace {

constexpr double kLogRatioLimit = 20;  // exp(20) = 4.9e8
constexpr double kVarianceFloor = 1e-8;

// where() and not a product: 0 * NaN is NaN.
at::Tensor ZeroPadding(const at::Tensor& x, const at::Tensor& mask) {
  return at::where(mask, x, 0);
}

// Column t+1 at t; `last` after the end.
at::Tensor ShiftLeft(const at::Tensor& x, const at::Tensor& last) {
  return at::cat({x.slice(1, 1), last}, 1);
}

at::Tensor LogRatio(const at::Tensor& logp, const at::Tensor& other) {
  return at::clamp(logp - other, -kLogRatioLimit, kLogRatioLimit);
}

// Whether the next step of the row exists: [B, T] bool.
at::Tensor HasNext(const at::Tensor& mask) {
  return ShiftLeft(mask, at::zeros({mask.size(0), 1}, mask.options()));
}

}  // namespace

at::Tensor MeanOver(const TokenMean& mean, const at::Tensor& terms) {
  const at::Tensor weighted =
      mean.weight.defined() ? terms * mean.weight : terms;
  return ZeroPadding(weighted, mean.mask).sum() / mean.denominator;
}

at::Tensor KlPenalizedRewards(const at::Tensor& score, const at::Tensor& logp,
                              const at::Tensor& ref_logp,
                              const at::Tensor& mask, double beta) {
  const at::Tensor is_last = mask & ~HasNext(mask);
  const at::Tensor placed = at::where(is_last, score.unsqueeze(1), 0);
  return ZeroPadding(-beta * (logp - ref_logp) + placed, mask);
}

at::Tensor TdResiduals(const at::Tensor& rewards, const at::Tensor& values,
                       const at::Tensor& bootstrap, const at::Tensor& mask,
                       double gamma) {
  const at::Tensor after = bootstrap.unsqueeze(1);
  const at::Tensor next_values =
      at::where(HasNext(mask), ShiftLeft(values, after), after);
  return ZeroPadding(rewards + gamma * next_values - values, mask);
}

AdvantageEstimate GeneralizedAdvantage(const at::Tensor& td_residuals,
                                       const at::Tensor& values,
                                       const at::Tensor& mask,
                                       const Discount& discount) {
  const double decay = discount.gamma * discount.lambda;
  at::Tensor advantages = at::zeros_like(td_residuals);
  at::Tensor next = at::zeros_like(td_residuals.select(1, 0));  // A_t+1, [B]
  for (int64_t t = td_residuals.size(1) - 1; t >= 0; --t) {
    const at::Tensor a = td_residuals.select(1, t) + decay * next;
    next = ZeroPadding(a, mask.select(1, t));
    advantages.select(1, t).copy_(next);
  }
  return {advantages, ZeroPadding(advantages + values, mask)};
}

at::Tensor WhitenOverMask(const at::Tensor& x, const at::Tensor& mask,
                          const at::Tensor& weight) {
  const at::Tensor ones = at::ones_like(x);
  const at::Tensor w =
      ZeroPadding(weight.defined() ? weight.to(x) * ones : ones, mask);
  const at::Tensor n = w.sum();
  const at::Tensor mean = (w * ZeroPadding(x, mask)).sum() / n.clamp_min(1);
  const at::Tensor centred = ZeroPadding(x - mean, mask);
  const at::Tensor variance =
      (w * centred.square()).sum() / (n - 1).clamp_min(1);
  return centred * at::rsqrt(variance + kVarianceFloor);
}

at::Tensor ProbabilityRatio(const at::Tensor& logp,
                            const at::Tensor& old_logp) {
  return LogRatio(logp, old_logp).exp();
}

at::Tensor ClippedPolicyLoss(const at::Tensor& ratio,
                             const at::Tensor& advantages,
                             const TokenMean& mean, const PolicyClip& clip) {
  const at::Tensor clipped = at::clamp(ratio, 1 - clip.low, 1 + clip.high);
  const at::Tensor surrogate =
      at::min(ratio * advantages, clipped * advantages);
  const at::Tensor bounded = at::where(
      advantages < 0, at::max(surrogate, clip.dual * advantages), surrogate);
  return -MeanOver(mean, bounded);
}

ClipShares ClippedShares(const at::Tensor& ratio, const at::Tensor& advantages,
                         const TokenMean& mean, const PolicyClip& clip) {
  const auto share = [&](const at::Tensor& held) {
    return MeanOver(mean, held.to(ratio.scalar_type()));
  };
  return {.low = share((advantages < 0) & (ratio < 1 - clip.low)),
          .high = share((advantages > 0) & (ratio > 1 + clip.high))};
}

at::Tensor ClippedValueLoss(const at::Tensor& values,
                            const ValueTargets& targets, const TokenMean& mean,
                            double epsilon) {
  const at::Tensor clipped =
      targets.old_values +
      at::clamp(values - targets.old_values, -epsilon, epsilon);
  const at::Tensor error = at::max((values - targets.returns).square(),
                                   (clipped - targets.returns).square());
  return MeanOver(mean, 0.5 * error);
}

at::Tensor MaskedEntropy(const at::Tensor& entropy, const TokenMean& mean) {
  return MeanOver(mean, entropy);
}

at::Tensor ApproxKl(const at::Tensor& p_logp, const at::Tensor& q_logp,
                    const TokenMean& mean, KlEstimator estimator) {
  const at::Tensor l = LogRatio(p_logp, q_logp);
  switch (estimator) {
    case KlEstimator::kK1:
      return MeanOver(mean, l);
    case KlEstimator::kK2:
      return MeanOver(mean, 0.5 * l.square());
    case KlEstimator::kK3:
      // expm1 keeps k3 accurate, and so >= 0, where p and q nearly agree.
      return MeanOver(mean, at::expm1(-l) + l);
  }
  return {};
}

at::Tensor ImportanceWeight(const at::Tensor& old_logp,
                            const at::Tensor& sampler_logp, double cap) {
  return LogRatio(old_logp, sampler_logp).exp().clamp_max(cap).detach();
}

PpoLossParts PpoLoss(const PpoInputs& in, const PpoCoefficients& c) {
  TokenMean policy_mean = in.mean;
  policy_mean.weight =
      in.mean.weight.defined() ? in.mean.weight * in.importance : in.importance;
  PpoLossParts loss;
  loss.policy = ClippedPolicyLoss(ProbabilityRatio(in.logp, in.old_logp),
                                  in.advantages, policy_mean, c.clip);
  loss.value = ClippedValueLoss(in.values, in.targets, in.mean, c.value_clip);
  loss.entropy = MaskedEntropy(in.entropy, in.mean);
  loss.total = loss.policy + c.value * loss.value - c.entropy * loss.entropy;
  return loss;
}

}  // namespace operant::learner
