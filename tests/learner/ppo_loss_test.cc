// The losses of ppo_math.h, values and gradients, in fp64 against hand-computed
// cases. Tolerance 1e-12: a few roundings of numbers near 1.
#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "learner/ppo_math.h"

namespace operant::learner {
namespace {

constexpr double kTolerance = 1e-12;
constexpr PolicyClip kClip = {.low = 0.2, .high = 0.28, .dual = 3};

at::Tensor Vector(const std::vector<double>& values) {
  return torch::tensor(values, at::kDouble);
}

at::Tensor Leaf(const std::vector<double>& values) {
  return Vector(values).requires_grad_(true);
}

TokenMean SumOver(const at::Tensor& like) {
  return {.mask = at::ones_like(like, at::kBool)};
}

// Value and derivative of the policy loss of one token.
struct LossAt {
  double loss = 0;
  double gradient = 0;  // by the ratio
};
LossAt PolicyLossAt(double ratio, double advantage) {
  const at::Tensor r = Leaf({ratio});
  const at::Tensor loss =
      ClippedPolicyLoss(r, Vector({advantage}), SumOver(r), kClip);
  loss.backward();
  return {loss.item<double>(), r.grad().item<double>()};
}

struct Quadrant {
  double ratio, advantage, loss, gradient;
};
class PolicyClipTest : public testing::TestWithParam<Quadrant> {};

TEST_P(PolicyClipTest, HasTheValueAndGradientOfItsQuadrant) {
  const Quadrant& q = GetParam();
  const LossAt actual = PolicyLossAt(q.ratio, q.advantage);
  EXPECT_NEAR(actual.loss, q.loss, kTolerance);
  EXPECT_NEAR(actual.gradient, q.gradient, kTolerance);
}

INSTANTIATE_TEST_SUITE_P(
    SignOfAdvantageBySideOfClip, PolicyClipTest,
    testing::Values(Quadrant{0.5, 2, -1, -2},      // below, A > 0: follows
                    Quadrant{1.5, 2, -2.56, 0},    // above, A > 0: held
                    Quadrant{0.5, -2, 1.6, 0},     // below, A < 0: held
                    Quadrant{1.5, -2, 3, 2},       // above, A < 0: follows
                    Quadrant{4, -2, 6, 0},         // dual clip: held at c |A|
                    Quadrant{4, 2, -2.56, 0},      // dual clip: A < 0 only
                    Quadrant{1.1, 2, -2.2, -2}));  // inside

TEST(ClippedPolicyLossTest, GradientAtRatioOneIsThePolicyGradient) {
  const at::Tensor logp = Leaf({-1, -2, -0.5});
  const at::Tensor advantages = Vector({1.5, -2, 0.25});
  TokenMean mean = SumOver(logp);
  mean.denominator = 3;
  ClippedPolicyLoss(ProbabilityRatio(logp, logp.detach()), advantages, mean,
                    kClip)
      .backward();
  EXPECT_TRUE(at::allclose(logp.grad(), -advantages / 3, 0, kTolerance));
}

TEST(ProbabilityRatioTest, EqualInputsGiveOneAndFarOnesStayFinite) {
  const at::Tensor ratio =
      ProbabilityRatio(Vector({-3, 0, -2000}), Vector({-3, -2000, 0}));
  EXPECT_EQ(ratio[0].item<double>(), 1);
  EXPECT_NEAR(ratio[1].item<double>(), std::exp(20), 1e-6);
  EXPECT_NEAR(ratio[2].item<double>(), std::exp(-20), 1e-20);
}

TEST(ClippedSharesTest, CountsOnlyWhereTheGradientIsHeld) {
  const at::Tensor ratio = Vector({0.5, 1.5, 0.5, 1.5});
  TokenMean mean = SumOver(ratio);
  mean.denominator = 4;
  const ClipShares shares =
      ClippedShares(ratio, Vector({1, 1, -1, -1}), mean, kClip);
  EXPECT_NEAR(shares.low.item<double>(), 0.25, kTolerance);
  EXPECT_NEAR(shares.high.item<double>(), 0.25, kTolerance);
}

TEST(ClippedValueLossTest, IsHalfTheSquaredErrorInsideTheClip) {
  const at::Tensor values = Leaf({1.1, -0.9});
  const at::Tensor loss = ClippedValueLoss(
      values, {.old_values = Vector({1, -1}), .returns = Vector({3, 2})},
      SumOver(values), /*epsilon=*/0.2);
  EXPECT_NEAR(loss.item<double>(), 0.5 * (1.9 * 1.9 + 2.9 * 2.9), kTolerance);
  loss.backward();
  EXPECT_TRUE(at::allclose(values.grad(), Vector({-1.9, -2.9}), 0, kTolerance));
}

TEST(ClippedValueLossTest, HoldsAValueThatLeftTheClipTowardsItsReturn) {
  // Old 0, return 2, now 1: clipped to 0.2, whose error 1.8 is the larger.
  const at::Tensor values = Leaf({1});
  const at::Tensor loss = ClippedValueLoss(
      values, {.old_values = Vector({0}), .returns = Vector({2})},
      SumOver(values), /*epsilon=*/0.2);
  EXPECT_NEAR(loss.item<double>(), 0.5 * 1.8 * 1.8, kTolerance);
  loss.backward();
  EXPECT_EQ(values.grad().item<double>(), 0);
}

TEST(MaskedEntropyTest, UniformLogitsGiveTheLogOfTheVocabulary) {
  const at::Tensor log_p = at::log_softmax(at::zeros({2, 7}, at::kDouble), -1);
  const at::Tensor entropy = -(log_p.exp() * log_p).sum(-1);
  TokenMean mean = SumOver(entropy);
  mean.denominator = 2;
  EXPECT_NEAR(MaskedEntropy(entropy, mean).item<double>(), std::log(7),
              kTolerance);
}

TEST(ApproxKlTest, MatchesTheThreeEstimatorsByHand) {
  // l = log p - log q = 0.5 and -1.
  const at::Tensor p = Vector({-1, -2});
  const at::Tensor q = Vector({-1.5, -1});
  const TokenMean mean = SumOver(p);
  const auto kl = [&](KlEstimator k) {
    return ApproxKl(p, q, mean, k).item<double>();
  };
  EXPECT_NEAR(kl(KlEstimator::kK1), -0.5, kTolerance);
  EXPECT_NEAR(kl(KlEstimator::kK2), 0.625, kTolerance);
  EXPECT_NEAR(kl(KlEstimator::kK3),
              (std::exp(-0.5) - 0.5) + (std::exp(1.0) - 2), kTolerance);
}

TEST(ApproxKlTest, ThirdEstimatorIsZeroOnlyForEqualsAndNeverNegative) {
  torch::manual_seed(3);
  const at::Tensor p = -at::rand({1000});  // fp32: rounding must not cross 0
  const at::Tensor q = p + 1e-4 * at::randn({1000});
  EXPECT_GT(ApproxKl(p, q, SumOver(p), KlEstimator::kK3).item<float>(), 0);
  EXPECT_EQ(ApproxKl(p, p, SumOver(p), KlEstimator::kK3).item<float>(), 0);
}

// sum_x p(x) k(x) over a whole small distribution: the expectation itself.
TEST(ApproxKlTest, FirstAndThirdEstimatorsAreUnbiased) {
  const at::Tensor p = Vector({0.5, 0.3, 0.2});
  const at::Tensor q = Vector({0.25, 0.25, 0.5});
  const double kl = (p * (p / q).log()).sum().item<double>();
  TokenMean expectation = SumOver(p);
  expectation.weight = p;
  for (const KlEstimator k : {KlEstimator::kK1, KlEstimator::kK3}) {
    EXPECT_NEAR(ApproxKl(p.log(), q.log(), expectation, k).item<double>(), kl,
                kTolerance);
  }
}

TEST(ImportanceWeightTest, IsTheCappedRatioWithoutGradient) {
  const at::Tensor old_logp = Leaf({-1, -1, -1});
  const at::Tensor w =
      ImportanceWeight(old_logp, Vector({-1, -0.5, -3}), /*cap=*/2);
  EXPECT_FALSE(w.requires_grad());
  EXPECT_TRUE(at::allclose(w, Vector({1, std::exp(-0.5), 2}), 0, kTolerance));
}

PpoInputs RandomInputs(int64_t rows, int64_t columns) {
  torch::manual_seed(4);
  const auto normal = [&] { return at::randn({rows, columns}, at::kDouble); };
  PpoInputs in;
  in.logp = (-normal().abs()).requires_grad_(true);
  in.entropy = normal().abs().requires_grad_(true);
  in.values = normal().requires_grad_(true);
  in.old_logp = in.logp.detach() + 0.3 * normal();
  in.advantages = normal();
  in.importance = normal().abs();
  in.targets = {.old_values = in.values.detach() + 0.2 * normal(),
                .returns = normal()};
  in.mean.mask = at::arange(columns).unsqueeze(0) <
                 at::randint(1, columns + 1, {rows, 1}, at::kLong);
  in.mean.weight = normal().abs();
  in.mean.denominator = in.mean.mask.sum().item<double>();
  return in;
}

constexpr PpoCoefficients kCoefficients = {
    .clip = kClip, .value_clip = 0.2, .value = 0.5, .entropy = 0.01};

PpoInputs RowsOf(const PpoInputs& in, int64_t begin, int64_t end) {
  const auto rows = [&](const at::Tensor& x) { return x.slice(0, begin, end); };
  PpoInputs part = in;
  for (at::Tensor* x :
       {&part.logp, &part.entropy, &part.values, &part.old_logp,
        &part.advantages, &part.importance, &part.targets.old_values,
        &part.targets.returns, &part.mean.mask, &part.mean.weight}) {
    *x = rows(*x);
  }
  return part;
}

// Gradients by logp, entropy and values, one after another.
at::Tensor TotalGradient(const PpoInputs& in, int64_t rows_per_shard) {
  for (const at::Tensor& leaf : {in.logp, in.entropy, in.values}) {
    leaf.mutable_grad() = at::Tensor();
  }
  for (int64_t row = 0; row < in.logp.size(0); row += rows_per_shard) {
    PpoLoss(RowsOf(in, row, row + rows_per_shard), kCoefficients)
        .total.backward();
  }
  return at::stack({in.logp.grad(), in.entropy.grad(), in.values.grad()});
}

TEST(PpoLossTest, TotalIsPolicyPlusValueLessEntropy) {
  const PpoLossParts loss = PpoLoss(RandomInputs(4, 5), kCoefficients);
  EXPECT_NEAR(loss.total.item<double>(),
              loss.policy.item<double>() + 0.5 * loss.value.item<double>() -
                  0.01 * loss.entropy.item<double>(),
              kTolerance);
}

TEST(PpoLossTest, OneShardOfEightEqualsTwoOfFourEqualsEightOfOne) {
  const PpoInputs in = RandomInputs(8, 6);
  const at::Tensor whole = TotalGradient(in, 8);
  EXPECT_GT(whole.abs().max().item<double>(), 0.01);
  EXPECT_TRUE(at::allclose(whole, TotalGradient(in, 4), 0, kTolerance));
  EXPECT_TRUE(at::allclose(whole, TotalGradient(in, 1), 0, kTolerance));
}

TEST(PpoLossTest, GradientsEqualCentralDifferences) {
  const PpoInputs in = RandomInputs(3, 4);
  const at::Tensor gradient = TotalGradient(in, 3);
  const torch::NoGradGuard no_grad;
  const double h = 1e-6;  // error h^2 + 1e-16 / h: about 1e-10
  const std::vector<at::Tensor> leaves = {in.logp, in.entropy, in.values};
  for (size_t k = 0; k < leaves.size(); ++k) {
    at::Tensor flat = leaves[k].view(-1);
    for (int64_t i = 0; i < flat.numel(); ++i) {
      const double x = flat[i].item<double>();
      flat[i] = x + h;
      const double above = PpoLoss(in, kCoefficients).total.item<double>();
      flat[i] = x - h;
      const double below = PpoLoss(in, kCoefficients).total.item<double>();
      flat[i] = x;
      EXPECT_NEAR(gradient[k].view(-1)[i].item<double>(),
                  (above - below) / (2 * h), 1e-8)
          << "leaf " << k << " entry " << i;
    }
  }
}

TEST(PpoLossTest, NanInPaddingReachesNoValue) {
  PpoInputs in = RandomInputs(4, 5);
  const double expected = PpoLoss(in, kCoefficients).total.item<double>();
  const at::Tensor padding = ~in.mean.mask;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  in.old_logp.masked_fill_(padding, nan);
  in.advantages.masked_fill_(padding, nan);
  in.targets.returns.masked_fill_(padding, nan);
  EXPECT_NEAR(PpoLoss(in, kCoefficients).total.item<double>(), expected,
              kTolerance);
}

}  // namespace
}  // namespace operant::learner
