// Proximal policy optimisation of whole responses: one equation, one function,
// in the order in which the data flows, pure. docs/algorithm.md is the map.
//
//   symbol       name          shape   meaning
//   a_t          tokens        [B, T]  the sampled token at response step t
//   s_t                                the prompt and the tokens before t
//   log pi       logp          [B, T]  of a_t, by the policy in training
//   log pi_old   old_logp      [B, T]  by it before the first optimiser step
//   log pi_ref   ref_logp      [B, T]  by the reference
//   log mu       sampler_logp  [B, T]  by the worker that drew it
//   V(s_t)       values        [B, T]  value head; V_old: old_values
//   r_t          rewards       [B, T]  what the algorithm maximises
//   delta_t      td_residuals  [B, T]
//   A_t          advantages    [B, T]
//   R_t          returns       [B, T]  target of the value head
//   r_t(theta)   ratio         [B, T]  pi / pi_old
//   gamma, lambda, beta, epsilon: by those names
//
// B responses, T tokens of the longest. `mask` [B, T] is boolean, true for
// tokens that are trained on: in each row a prefix of true (the stop token
// included), then padding; an all-false row is a response left out. Whatever
// padding holds, even NaN, changes no value.
//
// The off-by-one, stated once: of prompt + response, with P prompt tokens, the
// hidden state at position P-1+t is s_t. It predicts a_t, so logp, entropy and
// values of step t are all read there: positions P-1 .. P+T-2.
//
// Tensors are of one floating dtype and device; shape errors throw c10::Error.
#ifndef OPERANT_LEARNER_PPO_MATH_H_
#define OPERANT_LEARNER_PPO_MATH_H_

#include "ATen/core/Tensor.h"

namespace operant::learner {

// How terms of tokens become one number: sum(weight * term) / denominator over
// `mask`. The denominator is the token count of the whole optimiser step, over
// all micro-batches and ranks, so the parts of any split add up to the same
// loss and gradient. A long response thus counts by its length.
struct TokenMean {
  at::Tensor mask;         // bool, the shape of the terms
  at::Tensor weight;       // that shape or broadcast to it; undefined: all 1
  double denominator = 1;  // > 0
};
at::Tensor MeanOver(const TokenMean& mean, const at::Tensor& terms);  // scalar

// Ziegler arXiv 1909.08593, Eq. 2, by token (the sum over t is the equation):
//   r_t = -beta (log pi(a_t|s_t) - log pi_ref(a_t|s_t)) + [t is last] score
// score [B] -> [B, T]. Deviations: none.
at::Tensor KlPenalizedRewards(const at::Tensor& score, const at::Tensor& logp,
                              const at::Tensor& ref_logp,
                              const at::Tensor& mask, double beta);

// PPO arXiv 1707.06347, Eq. 12: delta_t = r_t + gamma V(s_t+1) - V(s_t)
// Deviations: V after the last token is `bootstrap` [B], which is 0 for a
// response that ended.
at::Tensor TdResiduals(const at::Tensor& rewards, const at::Tensor& values,
                       const at::Tensor& bootstrap, const at::Tensor& mask,
                       double gamma);

struct Discount {
  double gamma = 1, lambda = 0.95;
};
struct AdvantageEstimate {
  at::Tensor advantages;  // [B, T]
  at::Tensor returns;     // [B, T]
};
// GAE arXiv 1506.02438, Eq. 16 (PPO Eq. 11):
//   A_t = delta_t + gamma lambda A_t+1,   R_t = A_t + V(s_t)
// Deviations: none.
AdvantageEstimate GeneralizedAdvantage(const at::Tensor& td_residuals,
                                       const at::Tensor& values,
                                       const at::Tensor& mask,
                                       const Discount& discount);

// x <- (x - mean) / sqrt(var + 1e-8), both over the mask and weighted, var over
// sum(w) - 1. Of no paper: a detail of implementations. Needs the whole step's
// tokens at once. `weight` broadcasts to x; undefined: all 1.
at::Tensor WhitenOverMask(const at::Tensor& x, const at::Tensor& mask,
                          const at::Tensor& weight = {});

// PPO section 3: r_t(theta) = exp(log pi_theta - log pi_old)
// Deviations: the difference is cut to +-20, so exp stays finite.
at::Tensor ProbabilityRatio(const at::Tensor& logp, const at::Tensor& old_logp);

struct PolicyClip {
  double low = 0.2;    // epsilon below 1
  double high = 0.28;  // epsilon above 1
  double dual = 3;     // c > 1
};
// PPO Eq. 7, negated, with the dual clip of arXiv 1912.09729:
//   -mean( min(ratio A, clip(ratio, 1-low, 1+high) A) ),  where A < 0: >= c A
// Deviations: epsilon of each side apart ("clip-higher", arXiv 2503.14476).
at::Tensor ClippedPolicyLoss(const at::Tensor& ratio,
                             const at::Tensor& advantages,
                             const TokenMean& mean, const PolicyClip& clip);

// Shares of tokens that the clip holds, so that their gradient is 0.
struct ClipShares {
  at::Tensor low;   // A < 0 and ratio < 1 - low
  at::Tensor high;  // A > 0 and ratio > 1 + high
};
ClipShares ClippedShares(const at::Tensor& ratio, const at::Tensor& advantages,
                         const TokenMean& mean, const PolicyClip& clip);

// (V - R)^2 of PPO Eq. 9 as OpenAI's baselines compute it, in no paper:
//   mean( 1/2 max((V - R)^2, (V_old + clip(V - V_old, +-epsilon) - R)^2) )
struct ValueTargets {
  at::Tensor old_values;
  at::Tensor returns;
};
at::Tensor ClippedValueLoss(const at::Tensor& values,
                            const ValueTargets& targets, const TokenMean& mean,
                            double epsilon);

// S of PPO Eq. 9: mean(entropy), nats of each step's whole distribution.
at::Tensor MaskedEntropy(const at::Tensor& entropy, const TokenMean& mean);

// Schulman, "Approximating KL divergence" (2020): KL(p || q) from samples of p,
// with l = log p - log q cut to +-20.
//   k1 = l (unbiased, any sign), k2 = l^2 / 2 (>= 0, biased),
//   k3 = exp(-l) - 1 + l (unbiased, >= 0)
enum class KlEstimator { kK1, kK2, kK3 };
at::Tensor ApproxKl(const at::Tensor& p_logp, const at::Tensor& q_logp,
                    const TokenMean& mean, KlEstimator estimator);

// Truncated importance sampling (Ionides, JCGS 17(2), 2008), per token:
//   w_t = min(pi_old(a_t) / mu(a_t), cap), a constant: no gradient
at::Tensor ImportanceWeight(const at::Tensor& old_logp,
                            const at::Tensor& sampler_logp, double cap);

struct PpoInputs {  // of one shape: [B, T], or [N] tokens without padding
  at::Tensor logp, entropy, values;  // carry the gradient
  at::Tensor old_logp, advantages, importance;
  ValueTargets targets;
  TokenMean mean;
};
struct PpoCoefficients {
  PolicyClip clip;
  double value_clip = 0.2;
  double value = 0.5;  // c1
  double entropy = 0;  // c2
};
struct PpoLossParts {
  at::Tensor total, policy, value, entropy;  // scalars
};
// PPO Eq. 9, negated: total = policy + c1 value - c2 entropy
// Deviations: w_t multiplies the policy's term of step t.
PpoLossParts PpoLoss(const PpoInputs& in, const PpoCoefficients& c);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_PPO_MATH_H_
