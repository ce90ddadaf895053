#include "learner/value_head.h"

#include <torch/torch.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant::learner {
namespace {

using testing::ElementsAre;

std::string TempPath(const std::string& name) {
  return testing::TempDir() + "/value_head_" + name;
}

TEST(TrainableValueHeadTest, StartsAtZeroForEveryState) {
  const TrainableValueHead head(3, Device::kCpu);
  EXPECT_EQ(head.Values(at::randn({5, 3})).abs().max().item<float>(), 0);
}

TEST(TrainableValueHeadTest, IsLinearWithGradientToHeadAndHidden) {
  TrainableValueHead head(2, Device::kCpu);
  ASSERT_TRUE(head.Assign({.weight = {2, -1}, .bias = 0.5f}).ok());
  const at::Tensor hidden =
      torch::tensor({{1.0f, 3.0f}, {0.0f, 1.0f}}).requires_grad_(true);
  const at::Tensor values = head.Values(hidden);
  EXPECT_FLOAT_EQ(values[0].item<float>(), -0.5f);
  EXPECT_FLOAT_EQ(values[1].item<float>(), -0.5f);
  values.sum().backward();
  EXPECT_TRUE(at::allclose(hidden.grad()[0], torch::tensor({2.0f, -1.0f})));
  const auto parameters = head.Parameters();
  EXPECT_TRUE(
      at::allclose(parameters[0].second.grad(), torch::tensor({1.0f, 4.0f})));
  EXPECT_FLOAT_EQ(parameters[1].second.grad().item<float>(), 2);
}

// y = 2 h0 - h1 + 0.5 over inputs of mean 0, size 1 and no correlation: the
// ridge takes its share of the weights and nothing of the bias.
TEST(TrainableValueHeadTest, FitFindsTheLinearFunctionOfWhatWasObserved) {
  TrainableValueHead head(2, Device::kCpu);
  const at::Tensor hidden =
      torch::tensor({{1.0f, 1.0f}, {1.0f, -1.0f}, {-1.0f, 1.0f}});
  head.Observe(hidden, torch::tensor({1.5f, 3.5f, -2.5f}),
               torch::tensor({1.0f, 1.0f, 1.0f}));
  head.Observe(torch::tensor({{-1.0f, -1.0f}}), torch::tensor({-0.5f}),
               torch::tensor({1.0f}));
  head.Fit();
  constexpr double kKept = 1 / (1 + TrainableValueHead::kRidge);
  EXPECT_NEAR(head.Export().weight[0], 2 * kKept, 1e-5);
  EXPECT_NEAR(head.Export().weight[1], -kKept, 1e-5);
  EXPECT_NEAR(head.Export().bias, 0.5, 1e-5);
}

// One state with returns 0 and 1: the mean, by weights and by age.
TEST(TrainableValueHeadTest, FitWeighsObservationsAndForgetsOldOnes) {
  TrainableValueHead head(1, Device::kCpu);
  const at::Tensor state = at::zeros({1, 1});
  head.Observe(state, torch::tensor({1.0f}), torch::tensor({3.0f}));
  head.Observe(state, torch::tensor({0.0f}), torch::tensor({1.0f}));
  head.Fit();
  EXPECT_NEAR(head.Export().bias, 0.75, 1e-3);
  head.Observe(state, torch::tensor({0.0f}), torch::tensor({4.0f}));
  head.Fit();
  constexpr double kKept = TrainableValueHead::kMemory;
  EXPECT_NEAR(head.Export().bias, 3 * kKept / (4 * kKept + 4), 1e-3);
}

TEST(TrainableValueHeadTest, FitLeavesOutWhatIsNotFinite) {
  TrainableValueHead head(1, Device::kCpu);
  head.Fit();
  EXPECT_EQ(head.Export().bias, 0);
  const at::Tensor one = at::ones({1});
  head.Observe(at::zeros({1, 1}), one, one);
  head.Fit();
  head.Observe(at::zeros({1, 1}), one / 0, one);
  head.Fit();
  EXPECT_NEAR(head.Export().bias, 1, 1e-3);
}

TEST(TrainableValueHeadTest, FitGoesOnWhereASavedOneStopped) {
  TrainableValueHead head(1, Device::kCpu);
  const at::Tensor state = at::ones({1, 1});
  head.Observe(state, torch::tensor({1.0f}), at::ones({1}));
  head.Fit();
  const std::string path = TempPath("fit.safetensors");
  ASSERT_TRUE(head.Save(path).ok());
  TrainableValueHead loaded(1, Device::kCpu);
  ASSERT_TRUE(loaded.Load(path).ok());
  for (TrainableValueHead* h : {&head, &loaded}) {
    h->Observe(state * 2, torch::tensor({0.0f}), at::ones({1}));
    h->Fit();
  }
  EXPECT_EQ(loaded.Export().weight, head.Export().weight);
  EXPECT_EQ(loaded.Export().bias, head.Export().bias);
}

TEST(TrainableValueHeadTest, SavedAndLoadedIsTheSame) {
  TrainableValueHead head(3, Device::kCpu);
  ASSERT_TRUE(head.Assign({.weight = {0.1f, -2, 3e-8f}, .bias = 7}).ok());
  const std::string path = TempPath("round_trip.safetensors");
  ASSERT_TRUE(head.Save(path).ok());
  TrainableValueHead loaded(3, Device::kCpu);
  ASSERT_TRUE(loaded.Load(path).ok());
  EXPECT_THAT(loaded.Export().weight, ElementsAre(0.1f, -2, 3e-8f));
  EXPECT_EQ(loaded.Export().bias, 7);
}

TEST(TrainableValueHeadTest, RefusesAnotherWidthAndChangesNothing) {
  TrainableValueHead head(2, Device::kCpu);
  ASSERT_TRUE(head.Assign({.weight = {1, 2}, .bias = 3}).ok());
  EXPECT_EQ(head.Assign({.weight = {1, 2, 3}}).code(),
            absl::StatusCode::kInvalidArgument);
  const std::string path = TempPath("width.safetensors");
  ASSERT_TRUE(TrainableValueHead(3, Device::kCpu).Save(path).ok());
  EXPECT_EQ(head.Load(path).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(head.Load(TempPath("missing")).code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(head.Export().weight, ElementsAre(1, 2));
}

}  // namespace
}  // namespace operant::learner
