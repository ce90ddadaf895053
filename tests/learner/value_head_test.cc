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
