#include "learner/sample_selection.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant::learner {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::Pointwise;

double Sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

TEST(InclusionProbabilitiesTest, AreProportionalWhereNoneIsCertain) {
  EXPECT_THAT(
      InclusionProbabilities(std::vector<double>{1, 2, 3, 4}, 0.5),
      ElementsAre(0.2, DoubleNear(0.4, 1e-15), DoubleNear(0.6, 1e-15), 0.8));
}

TEST(InclusionProbabilitiesTest, CertainOnesLeaveTheRestToTheOthers) {
  // 100 and 10 are cut to 1; 1 and 3 share what is left of 0.75 * 4 = 3.
  EXPECT_THAT(InclusionProbabilities(std::vector<double>{1, 100, 3, 10}, 0.75),
              ElementsAre(0.25, 1, 0.75, 1));
}

TEST(InclusionProbabilitiesTest, SumToTheShareAndLieInZeroToOne) {
  for (const double fraction : {0.01, 0.3, 0.77, 0.999, 1.0}) {
    std::vector<double> magnitudes;
    for (int i = 0; i < 500; ++i) {
      magnitudes.push_back(std::exp(5 * std::sin(i * 1.7)));
    }
    const std::vector<double> p = InclusionProbabilities(magnitudes, fraction);
    EXPECT_NEAR(Sum(p), fraction * 500, 1e-9);
    for (const double x : p) {
      EXPECT_GT(x, 0);
      EXPECT_LE(x, 1);
    }
  }
}

TEST(InclusionProbabilitiesTest, NothingToLearnIsNeverKept) {
  EXPECT_THAT(InclusionProbabilities(std::vector<double>{0, 2, 0, 2}, 0.5),
              ElementsAre(0, 0.5, 0, 0.5));
  EXPECT_THAT(InclusionProbabilities(std::vector<double>{0, 0}, 0.5),
              ElementsAre(0, 0));
}

// A midpoint grid over the offset integrates the piecewise constant outcome up
// to one cell at each of its jumps.
TEST(SystematicSampleTest, EachIsKeptWithItsProbability) {
  const std::vector<double> p = {0.1, 1, 0.35, 0.7, 0.05, 0.999, 0, 0.801};
  constexpr int kOffsets = 100000;
  std::vector<double> kept(p.size(), 0);
  for (int k = 0; k < kOffsets; ++k) {
    const std::vector<bool> sample = SystematicSample(p, (k + 0.5) / kOffsets);
    for (size_t i = 0; i < p.size(); ++i) kept[i] += sample[i] ? 1.0 : 0.0;
  }
  for (double& count : kept) count /= kOffsets;
  EXPECT_THAT(kept, Pointwise(DoubleNear(2.0 / kOffsets), p));
}

TEST(SystematicSampleTest, KeepsTheExpectedNumberToWithinOne) {
  const std::vector<double> p =
      InclusionProbabilities(std::vector<double>{5, 1, 2, 7, 3, 3, 9}, 0.5);
  for (int k = 0; k < 1000; ++k) {
    const std::vector<bool> sample = SystematicSample(p, k / 1000.0);
    const auto count = std::ranges::count(sample, true);
    EXPECT_TRUE(count == 3 || count == 4) << count;
  }
}

// The claim itself: the weighted sum over kept ones has the full sum as its
// expectation, exactly, by integrating over the offset.
TEST(SystematicSampleTest, WeightedSumIsUnbiased) {
  const std::vector<double> gradients = {4, -1, 0.5, -7, 2, 2.5};
  std::vector<double> magnitudes;
  for (const double g : gradients) magnitudes.push_back(std::abs(g));
  const std::vector<double> p = InclusionProbabilities(magnitudes, 0.5);
  constexpr int kOffsets = 100000;
  double mean = 0;
  for (int k = 0; k < kOffsets; ++k) {
    const std::vector<bool> sample = SystematicSample(p, (k + 0.5) / kOffsets);
    for (size_t i = 0; i < p.size(); ++i) {
      if (sample[i]) mean += gradients[i] / p[i] / kOffsets;
    }
  }
  // Six jumps, each at most one cell of a weighted term of at most 8.
  EXPECT_NEAR(mean, Sum(gradients), 6 * 8.0 / kOffsets);
}

// Responses with the given scores; the last one was ignored by its server.
std::vector<ItemScore> Scored(const std::vector<double>& scores) {
  std::vector<ItemScore> items(scores.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    items[i].score = scores[i];
    items[i].outcome = ItemScore::Outcome::kScored;
  }
  items.back().outcome = ItemScore::Outcome::kIgnored;
  return items;
}

TEST(ScoreMagnitudesTest, AreDistancesFromTheMeanWithAFloor) {
  // Mean 0.75 of four, distances 0.75 and three of 0.25; their mean 0.375, the
  // floor a quarter of it.
  EXPECT_THAT(ScoreMagnitudes(Scored({0, 1, 1, 1, 9})),
              ElementsAre(0.75, 0.25, 0.25, 0.25, 0));
  // Mean 0, distances 8, 8 and 0: the last is raised to a quarter of 16 / 3.
  EXPECT_THAT(ScoreMagnitudes(Scored({8, -8, 0, 0})),
              ElementsAre(8, 8, DoubleNear(4.0 / 3, 1e-12), 0));
}

TEST(ScoreMagnitudesTest, EqualScoresAreKeptAlike) {
  EXPECT_THAT(ScoreMagnitudes(Scored({1, 1, 1})), ElementsAre(1, 1, 0));
}

TEST(SelectionWeightsTest, FullFractionKeepsAllThatHaveAScore) {
  EXPECT_THAT(SelectionWeights(Scored({1, 2, 3}), 1, {}), ElementsAre(1, 1, 0));
}

TEST(SelectionWeightsTest, ARareFailureIsAlwaysKept) {
  std::vector<double> scores(101, 1);
  scores[17] = 0;
  for (uint64_t step = 0; step < 100; ++step) {
    EXPECT_EQ(SelectionWeights(Scored(scores), 0.1, {7, step})[17], 1);
  }
}

TEST(SelectionWeightsTest, AverageOverStepsIsOneForEveryScoredResponse) {
  const std::vector<ItemScore> scores = Scored({0, 1, 1, 0.8, 0.9, 1});
  constexpr int kSteps = 20000;
  std::vector<double> mean(6, 0);
  for (uint64_t step = 0; step < kSteps; ++step) {
    const std::vector<float> w = SelectionWeights(scores, 0.4, {7, step});
    for (size_t i = 0; i < w.size(); ++i) mean[i] += w[i] / double{kSteps};
  }
  // The standard error of a weight is sqrt((1 - p) / p / kSteps), at most 0.02
  // for p >= 0.1; five of them.
  EXPECT_THAT(
      mean, Pointwise(DoubleNear(0.1), std::vector<double>{1, 1, 1, 1, 1, 0}));
}

TEST(SelectionWeightsTest, DependOnSeedAndStepAlone) {
  const std::vector<ItemScore> s = Scored(std::vector<double>(64, 1.0));
  EXPECT_EQ(SelectionWeights(s, 0.3, {1, 5}), SelectionWeights(s, 0.3, {1, 5}));
  EXPECT_NE(SelectionWeights(s, 0.3, {1, 5}), SelectionWeights(s, 0.3, {1, 6}));
  EXPECT_NE(SelectionWeights(s, 0.3, {1, 5}), SelectionWeights(s, 0.3, {2, 5}));
}

}  // namespace
}  // namespace operant::learner
