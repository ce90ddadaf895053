// Trains on a share of a step's responses without changing the expected
// gradient: those whose score is a surprise are kept more often, and each kept
// one counts by the inverse of its chance.
//
// With p_i > 0 the chance that response i is kept and g_i its gradient,
//   E[ sum over kept g_i / p_i ] = sum over all g_i   (Horvitz, Thompson, 1952)
// for any p. What p changes is variance and cost: with sum p_i fixed, variance
// is least for p_i proportional to |g_i| (Neyman's allocation). A policy
// gradient's size goes with the advantage, and with one score per response the
// advantage goes with the score's distance from the mean: when 1 response in 50
// fails, each failure weighs as much as 49 successes.
#ifndef OPERANT_LEARNER_SAMPLE_SELECTION_H_
#define OPERANT_LEARNER_SAMPLE_SELECTION_H_

#include <cstdint>
#include <span>
#include <vector>

#include "common/reward_client/gateway.h"

namespace operant::learner {

// p_i = min(1, c m_i) with c such that sum p_i = fraction * n, where n counts
// the magnitudes m_i > 0; p_i = 0 exactly where m_i = 0 (nothing to learn).
// `fraction` in (0, 1].
std::vector<double> InclusionProbabilities(std::span<const double> magnitudes,
                                           double fraction);

// Systematic sampling: on a line where i owns a stretch of length p_i, keeps
// those hit by offset, offset + 1, offset + 2, ... Each is kept with chance p_i
// over a uniform `offset` in [0, 1), and the number kept is sum p_i to within
// one. Neighbours (a group's responses) are spread over, never bunched.
std::vector<bool> SystematicSample(std::span<const double> probabilities,
                                   double offset);

// How much each response is likely to teach: the distance of its score from the
// scores' mean, raised to a quarter of the mean distance. The floor bounds
// every weight 1 / p_i, and keeps what all score alike (the KL penalty still
// acts on them). 0 for responses without a score. Known before any forward
// pass, so what is not kept costs the learner nothing at all.
std::vector<double> ScoreMagnitudes(std::span<const ItemScore> scores);

// The weight of each response: 1 / p_i, or 0 if it is not kept (or has no
// score). Reproducible from (seed, step). `fraction` >= 1 gives 1 to each that
// has a score.
struct SelectionKey {
  uint64_t seed = 0;
  uint64_t step = 0;
};
std::vector<float> SelectionWeights(std::span<const ItemScore> scores,
                                    double fraction, const SelectionKey& key);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_SAMPLE_SELECTION_H_
