#include "common/nn/adamw.h"

#include <torch/torch.h>
#include <unistd.h>

#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

using Named = std::vector<std::pair<std::string, at::Tensor>>;

Named SomeParameters(uint64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const auto leaf = [&](at::IntArrayRef sizes) {
    return at::randn(sizes, generator, at::kFloat).set_requires_grad(true);
  };
  return {{"norm", leaf({7})}, {"matrix", leaf({5, 7})}, {"bias", leaf({3})}};
}

// A loss with a different gradient at each step.
at::Tensor Loss(const Named& parameters, int step) {
  at::Tensor loss = at::zeros({});
  for (const auto& [name, parameter] : parameters) {
    loss = loss + ((parameter - 0.1 * step).pow(4)).sum();
  }
  return loss;
}

std::string TempPath(const std::string& name) {
  return absl::StrCat(testing::TempDir(), "/adamw_test_", getpid(), "_", name);
}

TEST(AdamWTest, FollowsLibTorchsAdamW) {
  Named ours = SomeParameters(1);
  Named theirs = SomeParameters(1);
  AdamWOptions options;
  options.weight_decay = 0.1;
  AdamW optimiser({{ours, 0.02}}, options);
  // LibTorch decays whatever it is given: matrices apart from the rest.
  const auto reference = [](std::vector<at::Tensor> tensors, double decay) {
    return torch::optim::AdamW(std::move(tensors),
                               torch::optim::AdamWOptions(0.02)
                                   .betas({0.9, 0.95})
                                   .eps(1e-8)
                                   .weight_decay(decay));
  };
  auto matrices = reference({theirs[1].second}, 0.1);
  auto others = reference({theirs[0].second, theirs[2].second}, 0);
  for (int step = 0; step < 20; ++step) {
    Loss(ours, step).backward();
    EXPECT_TRUE(optimiser.Step(1).applied);
    matrices.zero_grad();
    others.zero_grad();
    Loss(theirs, step).backward();
    matrices.step();
    others.step();
  }
  for (size_t i = 0; i < ours.size(); ++i) {
    // Twenty steps of fp32 round-off.
    EXPECT_TRUE(at::allclose(ours[i].second, theirs[i].second, 1e-5, 1e-6))
        << ours[i].first;
  }
}

TEST(AdamWTest, FirstStepMovesByTheLearningRate) {
  // With zero moments the corrected step is g / |g|.
  at::Tensor p = at::tensor({1.0F, -1.0F}).set_requires_grad(true);
  AdamW optimiser({{{{"p", p}}, 0.25}}, {});
  (p * at::tensor({3.0F, -0.5F})).sum().backward();
  optimiser.Step(0.5);
  EXPECT_TRUE(at::allclose(p, at::tensor({0.875F, -0.875F}), 1e-6, 1e-6));
}

TEST(AdamWTest, GroupsHaveTheirOwnLearningRates) {
  at::Tensor a = at::zeros({1}).set_requires_grad(true);
  at::Tensor b = at::zeros({1}).set_requires_grad(true);
  AdamW optimiser({{{{"a", a}}, 0.1}, {{{"b", b}}, 0.001}}, {});
  (a + b).sum().backward();
  optimiser.Step(1);
  EXPECT_NEAR(a.item<double>(), -0.1, 1e-7);
  EXPECT_NEAR(b.item<double>(), -0.001, 1e-9);
}

TEST(AdamWTest, ClipsTheGlobalNorm) {
  at::Tensor a = at::zeros({1}).set_requires_grad(true);
  at::Tensor b = at::zeros({1}).set_requires_grad(true);
  AdamWOptions options;
  options.max_gradient_norm = 1;
  // A large epsilon makes the step proportional to the gradient.
  options.epsilon = 1e6;
  AdamW optimiser({{{{"a", a}, {"b", b}}, 1e6}}, options);
  (a * 3 + b * 4).sum().backward();
  EXPECT_NEAR(optimiser.SquaredGradientNorm(), 25, 1e-6);
  const AdamWStep step = optimiser.Step(1);
  EXPECT_NEAR(step.gradient_norm, 5, 1e-6);
  EXPECT_TRUE(step.clipped);
  EXPECT_NEAR(a.item<double>(), -0.6, 1e-5);
  EXPECT_NEAR(b.item<double>(), -0.8, 1e-5);
}

TEST(AdamWTest, ANonFiniteGradientChangesNothing) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity()}) {
    at::Tensor p = at::ones({3}).set_requires_grad(true);
    AdamW optimiser({{{{"p", p}}, 0.1}}, {});
    (p * at::tensor({1.0F, bad, 1.0F})).sum().backward();
    EXPECT_FALSE(optimiser.Step(1).applied);
    EXPECT_EQ(optimiser.steps(), 0);
    EXPECT_TRUE(at::equal(p, at::ones({3})));
    p.sum().backward();
    EXPECT_TRUE(optimiser.Step(1).applied) << "the bad gradient is gone";
  }
}

TEST(AdamWTest, StepsStartFromZeroGradients) {
  at::Tensor p = at::zeros({2}).set_requires_grad(true);
  AdamW optimiser({{{{"p", p}}, 0.1}}, {});
  p.sum().backward();
  p.sum().backward();
  EXPECT_NEAR(optimiser.SquaredGradientNorm(), 8, 1e-6) << "passes accumulate";
  optimiser.Step(1);
  EXPECT_EQ(optimiser.SquaredGradientNorm(), 0);
  EXPECT_TRUE(p.grad().defined());
}

TEST(AdamWTest, ARestoredOptimiserGoesOnBitForBit) {
  Named whole = SomeParameters(1);
  Named first = SomeParameters(1);
  AdamW optimiser({{whole, 0.02}}, {});
  const std::string path = TempPath("state");
  {
    AdamW half({{first, 0.02}}, {});
    for (int step = 0; step < 5; ++step) {
      Loss(first, step).backward();
      half.Step(1);
    }
    ASSERT_TRUE(half.Save(path).ok());
  }
  AdamW resumed({{first, 0.02}}, {});
  ASSERT_TRUE(resumed.Load(path).ok());
  EXPECT_EQ(resumed.steps(), 5);
  for (int step = 0; step < 10; ++step) {
    Loss(whole, step).backward();
    optimiser.Step(1);
    if (step < 5) continue;
    Loss(first, step).backward();
    resumed.Step(1);
  }
  for (size_t i = 0; i < whole.size(); ++i) {
    EXPECT_TRUE(at::equal(whole[i].second, first[i].second));
  }
}

TEST(AdamWTest, RefusesAnotherModelsState) {
  Named parameters = SomeParameters(1);
  AdamW optimiser({{parameters, 0.02}}, {});
  const std::string path = TempPath("other");
  ASSERT_TRUE(optimiser.Save(path).ok());
  Named renamed = SomeParameters(1);
  renamed[1].first = "another";
  AdamW other({{renamed, 0.02}}, {});
  EXPECT_EQ(other.Load(path).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(other.Load(TempPath("absent")).code(), absl::StatusCode::kNotFound);
}

// More elements than are summed at once.
TEST(AdamWTest, GradientNormCountsEveryElement) {
  constexpr int64_t kElements = 5 << 19;
  AdamW optimizer(
      {{.parameters = {{"w", at::zeros({kElements}).set_requires_grad(true)}}}},
      {});
  optimizer.flat_gradients().fill_(2);
  EXPECT_EQ(optimizer.SquaredGradientNorm(), 4 * kElements);
}

}  // namespace
}  // namespace operant
