#include "learner/sample_selection.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "common/base/philox.h"

namespace operant::learner {
namespace {

constexpr double kMagnitudeFloor = 0.25;           // of the mean over responses
constexpr uint64_t kSelectionStream = 0x53454C45;  // "SELE"

// c with sum min(1, c m) = target, magnitudes in descending order. If the
// largest k are cut to 1, the others share target - k in proportion; k is the
// first for which none of them exceeds 1.
double SolveScale(std::span<const double> descending, double target) {
  double rest = std::accumulate(descending.begin(), descending.end(), 0.0);
  for (size_t k = 0; k < descending.size(); ++k) {
    const double scale = (target - static_cast<double>(k)) / rest;
    if (scale * descending[k] <= 1) return scale;
    rest -= descending[k];
  }
  return 1 / descending.back();
}

// [0, 1) with 53 random bits.
double UniformOffset(const SelectionKey& key) {
  const uint64_t bits = PhiloxUint64(key.seed, kSelectionStream, key.step);
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

}  // namespace

std::vector<double> InclusionProbabilities(std::span<const double> magnitudes,
                                           double fraction) {
  std::vector<double> descending;
  std::copy_if(magnitudes.begin(), magnitudes.end(),
               std::back_inserter(descending), [](double m) { return m > 0; });
  std::vector<double> probabilities(magnitudes.size(), 0);
  if (descending.empty()) return probabilities;
  std::sort(descending.begin(), descending.end(), std::greater<>());
  const double scale =
      SolveScale(descending, fraction * static_cast<double>(descending.size()));
  std::transform(magnitudes.begin(), magnitudes.end(), probabilities.begin(),
                 [scale](double m) { return std::min(1.0, scale * m); });
  return probabilities;
}

std::vector<bool> SystematicSample(std::span<const double> probabilities,
                                   double offset) {
  std::vector<bool> kept(probabilities.size(), false);
  double next_hit = offset;
  double end = 0;
  for (size_t i = 0; i < probabilities.size(); ++i) {
    // Certain ones stay off the line, so that rounding cannot lose them.
    if (probabilities[i] >= 1) {
      kept[i] = true;
      continue;
    }
    end += probabilities[i];
    if (next_hit < end) {
      kept[i] = true;
      next_hit += 1;
    }
  }
  return kept;
}

std::vector<double> ScoreMagnitudes(std::span<const ItemScore> scores) {
  const auto count = std::ranges::count_if(scores, &ItemScore::has_score);
  if (count == 0) return std::vector<double>(scores.size(), 0);
  double mean = 0;
  for (const ItemScore& s : scores) mean += s.has_score() ? s.score / count : 0;
  double spread = 0;  // mean distance
  for (const ItemScore& s : scores) {
    spread += s.has_score() ? std::abs(s.score - mean) / count : 0;
  }
  // All alike: any may be kept.
  const double floor = spread > 0 ? kMagnitudeFloor * spread : 1;
  std::vector<double> magnitudes;
  for (const ItemScore& s : scores) {
    magnitudes.push_back(
        s.has_score() ? std::max(floor, std::abs(s.score - mean)) : 0);
  }
  return magnitudes;
}

std::vector<float> SelectionWeights(std::span<const ItemScore> scores,
                                    double fraction, const SelectionKey& key) {
  std::vector<float> weights;
  if (fraction >= 1) {
    for (const ItemScore& s : scores) weights.push_back(s.has_score() ? 1 : 0);
    return weights;
  }
  const std::vector<double> probabilities =
      InclusionProbabilities(ScoreMagnitudes(scores), fraction);
  const std::vector<bool> kept =
      SystematicSample(probabilities, UniformOffset(key));
  for (size_t i = 0; i < scores.size(); ++i) {
    weights.push_back(kept[i] ? static_cast<float>(1 / probabilities[i]) : 0);
  }
  return weights;
}

}  // namespace operant::learner
