// Expected values: closed forms where there are any, else SciPy 1.x
// (scipy.stats.beta.ppf, scipy.special.betainc). Tolerance 1e-10: theirs.
#include "learner/clopper_pearson.h"

#include <cmath>

#include "gtest/gtest.h"

namespace operant::learner {
namespace {

constexpr double kTolerance = 1e-10;

TEST(ClopperPearsonTest, NoFailureHasTheClosedForm) {
  const RateInterval interval = ClopperPearson(0, 20000);
  EXPECT_EQ(interval.low, 0);
  EXPECT_NEAR(interval.high, 1 - std::pow(0.025, 1.0 / 20000), kTolerance);
}

TEST(ClopperPearsonTest, OnlyFailuresHaveTheClosedForm) {
  const RateInterval interval = ClopperPearson(10, 10);
  EXPECT_NEAR(interval.low, std::pow(0.025, 0.1), kTolerance);
  EXPECT_EQ(interval.high, 1);
}

TEST(ClopperPearsonTest, NoTrialsSayNothing) {
  const RateInterval interval = ClopperPearson(0, 0);
  EXPECT_EQ(interval.low, 0);
  EXPECT_EQ(interval.high, 1);
}

struct Known {
  int64_t failures, trials;
  double low, high;
};
class KnownIntervalTest : public testing::TestWithParam<Known> {};

TEST_P(KnownIntervalTest, MatchesTheBetaQuantiles) {
  const Known& k = GetParam();
  const RateInterval interval = ClopperPearson(k.failures, k.trials);
  EXPECT_NEAR(interval.low, k.low, kTolerance);
  EXPECT_NEAR(interval.high, k.high, kTolerance);
}

INSTANTIATE_TEST_SUITE_P(
    Scipy, KnownIntervalTest,
    testing::Values(Known{27, 20000, 0.000889841127659515, 0.00196357587424332},
                    Known{1, 10, 0.00252857854446178, 0.445016117028195},
                    Known{5, 100, 0.0164318791820522, 0.112834911105463},
                    Known{105, 1000, 0.0866848248245401, 0.125676848455336},
                    Known{1, 100000, 2.53178047793331e-07,
                          5.57151603477428e-05},
                    Known{99, 100, 0.945540614607919, 0.999746853967023}));

TEST(ClopperPearsonTest, MoreConfidenceIsWider) {
  const RateInterval narrow = ClopperPearson(5, 100, 0.9);
  const RateInterval wide = ClopperPearson(5, 100, 0.99);
  EXPECT_LT(wide.low, narrow.low);
  EXPECT_GT(wide.high, narrow.high);
}

TEST(RegularizedBetaTest, MatchesClosedForms) {
  EXPECT_EQ(RegularizedBeta(0, 2, 3), 0);
  EXPECT_EQ(RegularizedBeta(1, 2, 3), 1);
  EXPECT_NEAR(RegularizedBeta(0.3, 1, 1), 0.3, kTolerance);
  EXPECT_NEAR(RegularizedBeta(0.3, 4, 1), std::pow(0.3, 4), kTolerance);
  EXPECT_NEAR(RegularizedBeta(0.3, 1, 4), 1 - std::pow(0.7, 4), kTolerance);
  // I_x(2, 3) = x^2 (6 - 8 x + 3 x^2)
  EXPECT_NEAR(RegularizedBeta(0.3, 2, 3), 0.09 * (6 - 2.4 + 0.27), kTolerance);
}

TEST(RegularizedBetaTest, ArmsOfTheSymmetryAddUpToOne) {
  for (const double x : {0.01, 0.2, 0.5, 0.9}) {
    EXPECT_NEAR(RegularizedBeta(x, 7.5, 300) + RegularizedBeta(1 - x, 300, 7.5),
                1, kTolerance);
  }
}

}  // namespace
}  // namespace operant::learner
