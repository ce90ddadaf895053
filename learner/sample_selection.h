// Trains on a share of a step's responses without changing the expected
// gradient: those with large advantages are kept more often, and each kept one
// counts by the inverse of its chance.
//
// With p_i > 0 the chance that response i is kept and g_i its gradient,
//   E[ sum over kept g_i / p_i ] = sum over all g_i   (Horvitz, Thompson, 1952)
// for any p. What p changes is variance and cost: with sum p_i fixed, variance
// is least for p_i proportional to |g_i|, and with the token count as cost for
// p_i proportional to |g_i| / sqrt(T_i) (Neyman's allocation). Taking the
// tokens' gradients as of one size and unrelated direction gives
// |g_i|^2 ~ sum_t A_t^2, so |g_i| / sqrt(T_i) is the root mean square of the
// advantages.
#ifndef OPERANT_LEARNER_SAMPLE_SELECTION_H_
#define OPERANT_LEARNER_SAMPLE_SELECTION_H_

#include <cstdint>
#include <span>
#include <vector>

namespace operant::learner {

struct Experience;

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

// Root mean square of the trained tokens' advantages of each response, raised
// to a quarter of the mean over responses: a response whose advantages are
// near 0 still carries entropy and value gradients, and the floor bounds every
// weight 1 / p_i. [B], 0 for responses that are not trained on.
std::vector<double> AdvantageMagnitudes(const Experience& experience);

// What each response's losses count: 1 / p_i if it is kept, 0 if it is not or
// is not trained on; [B]. Reproducible from (seed, step). With `fraction` >= 1
// all are kept at 1.
struct SelectionKey {
  uint64_t seed = 0;
  uint64_t step = 0;
};
std::vector<float> SelectionWeights(const Experience& experience,
                                    double fraction, const SelectionKey& key);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_SAMPLE_SELECTION_H_
