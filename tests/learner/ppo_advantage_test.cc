// Rewards, residuals, advantages and whitening of ppo_math.h, in fp64 against
// hand-computed cases. Tolerance 1e-12: a few roundings of numbers near 1.
#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "learner/ppo_math.h"

namespace operant::learner {
namespace {

constexpr double kTolerance = 1e-12;

at::Tensor Row(const std::vector<double>& values) {
  return torch::tensor(values, at::kDouble).unsqueeze(0);
}

at::Tensor Vector(const std::vector<double>& values) {
  return torch::tensor(values, at::kDouble);
}

// Rows that end after the given lengths.
at::Tensor Mask(const std::vector<int64_t>& lengths, int64_t columns) {
  return at::arange(columns).unsqueeze(0) <
         torch::tensor(lengths, at::kLong).unsqueeze(1);
}

void ExpectNear(const at::Tensor& actual, const at::Tensor& expected) {
  ASSERT_EQ(actual.sizes(), expected.sizes());
  EXPECT_LE((actual - expected).abs().max().item<double>(), kTolerance)
      << actual << "\nexpected\n"
      << expected;
}

TEST(KlPenalizedRewardsTest, PutsTheScoreOnTheLastTokenAndThePenaltyOnEach) {
  const at::Tensor rewards = KlPenalizedRewards(
      Vector({2}), Row({-1, -2, -3, 7}), Row({-2, -2, -1, 9}), Mask({3}, 4),
      /*beta=*/0.5);
  ExpectNear(rewards, Row({-0.5, 0, 3, 0}));
}

TEST(KlPenalizedRewardsTest, SumIsTheScoreLessThePenaltyOfTheWholeResponse) {
  const at::Tensor logp = -at::rand({3, 5}, at::kDouble);
  const at::Tensor ref_logp = -at::rand({3, 5}, at::kDouble);
  const at::Tensor score = Vector({1, -2, 0.5});
  const at::Tensor mask = Mask({5, 1, 3}, 5);
  const at::Tensor kl = ((logp - ref_logp) * mask).sum(1);
  ExpectNear(KlPenalizedRewards(score, logp, ref_logp, mask, 0.1).sum(1),
             score - 0.1 * kl);
}

TEST(KlPenalizedRewardsTest, NanInPaddingStaysOut) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  ExpectNear(KlPenalizedRewards(Vector({1}), Row({-1, nan}), Row({-1, nan}),
                                Mask({1}, 2), 1),
             Row({1, 0}));
}

TEST(KlPenalizedRewardsTest, ALeftOutResponseHasNoReward) {
  ExpectNear(KlPenalizedRewards(Vector({1}), Row({-1, -2}), Row({-2, -1}),
                                Mask({0}, 2), 1),
             Row({0, 0}));
}

class GaeTest : public testing::Test {
 protected:
  AdvantageEstimate Estimate(double bootstrap, const Discount& discount) {
    return GeneralizedAdvantage(
        TdResiduals(rewards_, values_, Vector({bootstrap}), mask_,
                    discount.gamma),
        values_, mask_, discount);
  }

  // The fourth column is padding.
  const at::Tensor rewards_ = Row({1, 2, 3, 50});
  const at::Tensor values_ = Row({0.5, 0.4, 0.3, 60});
  const at::Tensor mask_ = Mask({3}, 4);
};

TEST_F(GaeTest, MatchesThreeStepsByHand) {
  // delta = 1 + .9*.4 - .5, 2 + .9*.3 - .4, 3 - .3 = .86, 1.87, 2.7
  // A_2 = 2.7, A_1 = 1.87 + .72*2.7, A_0 = .86 + .72*A_1
  const AdvantageEstimate e = Estimate(0, {.gamma = 0.9, .lambda = 0.8});
  ExpectNear(e.advantages, Row({3.60608, 3.814, 2.7, 0}));
  ExpectNear(e.returns, Row({4.10608, 4.214, 3, 0}));
}

TEST_F(GaeTest, BootstrapIsTheValueAfterTheLastToken) {
  // delta_2 = 3 + .9*1 - .3 = 3.6
  const AdvantageEstimate e = Estimate(1, {.gamma = 0.9, .lambda = 0.8});
  ExpectNear(e.advantages, Row({0.86 + 0.72 * 4.462, 4.462, 3.6, 0}));
}

TEST_F(GaeTest, LambdaZeroIsTheTdResidual) {
  const AdvantageEstimate e = Estimate(0, {.gamma = 0.9, .lambda = 0});
  ExpectNear(e.advantages, Row({0.86, 1.87, 2.7, 0}));
}

TEST_F(GaeTest, LambdaOneIsTheDiscountedReturnLessTheValue) {
  const AdvantageEstimate e = Estimate(0, {.gamma = 0.9, .lambda = 1});
  // 1 + .9*2 + .81*3 = 5.23, 2 + .9*3 = 4.7, 3
  ExpectNear(e.returns, Row({5.23, 4.7, 3, 0}));
  ExpectNear(e.advantages, Row({4.73, 4.3, 2.7, 0}));
}

// GAE Eq. 16 as written: a sum over l of (gamma lambda)^l delta_t+l.
at::Tensor QuadraticGae(const at::Tensor& delta, const Discount& discount) {
  const double decay = discount.gamma * discount.lambda;
  at::Tensor sum = at::zeros_like(delta);
  for (int64_t t = 0; t < delta.size(1); ++t) {
    for (int64_t l = 0; t + l < delta.size(1); ++l) {
      sum.select(1, t) += std::pow(decay, l) * delta.select(1, t + l);
    }
  }
  return sum;
}

TEST(GaeRaggedTest, EqualsTheQuadraticSumForRowsOfAnyLength) {
  torch::manual_seed(1);
  const std::vector<int64_t> lengths = {7, 1, 4, 6, 0};
  const at::Tensor mask = Mask(lengths, 7);
  const at::Tensor rewards = at::randn({5, 7}, at::kDouble);
  const at::Tensor values = at::randn({5, 7}, at::kDouble);
  const at::Tensor bootstrap = at::randn({5}, at::kDouble);
  const Discount discount = {.gamma = 0.95, .lambda = 0.7};
  const at::Tensor delta =
      TdResiduals(rewards, values, bootstrap, mask, discount.gamma);
  const AdvantageEstimate e =
      GeneralizedAdvantage(delta, values, mask, discount);
  ExpectNear(e.advantages, at::where(mask, QuadraticGae(delta, discount), 0));
  // A row alone, without padding, gives the same residuals.
  const at::Tensor alone =
      TdResiduals(rewards.slice(0, 2, 3).slice(1, 0, 4),
                  values.slice(0, 2, 3).slice(1, 0, 4),
                  bootstrap.slice(0, 2, 3), Mask({4}, 4), discount.gamma);
  ExpectNear(delta.slice(0, 2, 3).slice(1, 0, 4), alone);
}

TEST(WhitenOverMaskTest, MaskedMeanIsZeroAndVarianceOne) {
  torch::manual_seed(2);
  const at::Tensor mask = Mask({4, 2, 3}, 4);
  const at::Tensor x = at::where(mask, at::randn({3, 4}, at::kDouble) * 5 + 3,
                                 std::numeric_limits<double>::quiet_NaN());
  const at::Tensor white = WhitenOverMask(x, mask);
  const at::Tensor inside = white.masked_select(mask);
  EXPECT_NEAR(inside.mean().item<double>(), 0, kTolerance);
  // The 1e-8 under the root is 4e-10 of this variance.
  EXPECT_NEAR(inside.var().item<double>(), 1, 1e-8);
  EXPECT_EQ(white.masked_select(~mask).abs().max().item<double>(), 0);
}

TEST(WhitenOverMaskTest, ConstantsBecomeZeroAndOneTokenStaysFinite) {
  ExpectNear(WhitenOverMask(Row({2, 2, 9}), Mask({2}, 3)), Row({0, 0, 0}));
  ExpectNear(WhitenOverMask(Row({2, 9}), Mask({1}, 2)), Row({0, 0}));
}

}  // namespace
}  // namespace operant::learner
