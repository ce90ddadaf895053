#include "common/nn/causal_lm.h"

#include <torch/torch.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "common/nn/torch_status.h"
#include "gtest/gtest.h"
#include "tests/common/nn/small_causal_lm.h"

namespace operant {
namespace {

TEST(CausalLmTest, ExportAndLoadKeepEveryBit) {
  for (const bool tied : {false, true}) {
    ModelConfig config = SmallModel();
    config.tie_word_embeddings = tied;
    config.attention_bias = config.mlp_bias = tied;
    const auto model = RandomModel(config, 1);
    const auto other = RandomModel(config, 2);
    const WeightImage image = model->Export();
    other->Load(image);
    const WeightImage again = other->Export();
    ASSERT_EQ(again.bytes().size(),
              static_cast<size_t>(4 * ParameterCount(config)));
    EXPECT_EQ(std::memcmp(image.bytes().data(), again.bytes().data(),
                          image.bytes().size()),
              0);
  }
}

TEST(CausalLmTest, InitialWeightsDependOnTheSeedAlone) {
  const auto a = RandomModel(SmallModel(), 5)->Parameters();
  const auto b = RandomModel(SmallModel(), 5)->Parameters();
  const auto c = RandomModel(SmallModel(), 6)->Parameters();
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(at::equal(a[i].second, b[i].second)) << a[i].first;
  }
  EXPECT_FALSE(at::equal(a[0].second, c[0].second));
  EXPECT_NEAR(a[0].second.std().item<double>(), 0.02, 0.002);
}

TEST(CausalLmTest, RandomModelStartsNearTheUniformLoss) {
  const auto model = RandomModel(SmallModel());
  const at::Tensor hidden = model->Hidden(Batch({{1, 2, 3, 4}}));
  const auto [logprob, entropy] = model->LogProbs(
      hidden, at::tensor({int64_t{2}, int64_t{3}, int64_t{4}, int64_t{5}}), 1,
      false);
  EXPECT_NEAR(-logprob.mean().item<double>(), std::log(53.0), 0.5);
}

TEST(CausalLmTest, ASequencesHiddenStatesDoNotDependOnItsBatch) {
  const auto model = RandomModel(SmallModel());
  const at::Tensor together =
      model->Hidden(Batch({{7, 8}, {1, 2, 3, 4, 5}, {9}}));
  const at::Tensor alone = model->Hidden(Batch({{1, 2, 3, 4, 5}}));
  ASSERT_EQ(together.size(0), 8) << "no padded rows";
  EXPECT_TRUE(at::allclose(together.narrow(0, 2, 5), alone, 1e-5, 1e-6));
}

TEST(CausalLmTest, ATokenDoesNotSeeItsFuture) {
  const auto model = RandomModel(SmallModel());
  const at::Tensor a = model->Hidden(Batch({{1, 2, 3, 4}}));
  const at::Tensor b = model->Hidden(Batch({{1, 2, 3, 50}}));
  EXPECT_TRUE(at::allclose(a.narrow(0, 0, 3), b.narrow(0, 0, 3), 1e-6, 1e-7));
  EXPECT_FALSE(at::allclose(a[3], b[3], 1e-3, 1e-3));
}

TEST(CausalLmTest, LogProbsAgreeWithLogits) {
  const auto model = RandomModel(SmallModel());
  const at::Tensor hidden = model->Hidden(Batch({{1, 2, 3}}));
  const at::Tensor targets = at::tensor({int64_t{4}, int64_t{5}, int64_t{6}});
  const at::Tensor expected = at::log_softmax(model->Logits(hidden) / 0.8, 1)
                                  .gather(1, targets.unsqueeze(1))
                                  .squeeze(1);
  EXPECT_TRUE(at::allclose(model->LogProbs(hidden, targets, 0.8, false).first,
                           expected, 1e-5, 1e-5));
}

// Gradient of the mean loss against central differences on a few weights.
TEST(CausalLmTest, GradientEqualsFiniteDifferences) {
  ModelConfig config = SmallModel();
  config.tie_word_embeddings = true;
  config.attention_bias = config.attention_output_bias = true;
  config.mlp_bias = true;
  const auto model = RandomModel(config);
  const TokenBatch batch = Batch({{1, 2, 3, 4}, {5, 6}});
  const at::Tensor targets = at::tensor(std::vector<int64_t>{2, 3, 4, 5, 6, 7});
  auto parameters = model->Parameters();
  ScaleMatrices(*model, 10);  // so that curvature shows
  const auto loss = [&] {
    return -model->LogProbs(model->Hidden(batch), targets, 1, false)
                .first.mean();
  };
  loss().backward();
  const at::NoGradGuard no_grad;
  for (auto& [name, parameter] : parameters) {
    const at::Tensor flat = parameter.view({-1});
    const int64_t index = 3 % flat.size(0);
    const float saved = flat[index].item<float>();
    constexpr double kStep = 1e-2;
    flat[index] = saved + kStep;
    const double above = loss().item<double>();
    flat[index] = saved - kStep;
    const double below = loss().item<double>();
    flat[index] = saved;
    const double slope = (above - below) / (2 * kStep);
    // fp32 loss: 2e-7 relative over 2e-2 is 3e-5; curvature adds as much.
    EXPECT_NEAR(parameter.grad().view({-1})[index].item<double>(), slope,
                2e-3 * std::abs(slope) + 2e-4)
        << name;
  }
}

TEST(CausalLmTest, MicrobatchesAddUpToTheWholeBatch) {
  const auto gradient =
      [](const std::vector<std::vector<std::vector<int64_t>>>& passes) {
        const auto model = RandomModel(SmallModel());
        for (const auto& rows : passes) {
          const at::Tensor hidden = model->Hidden(Batch(rows));
          const at::Tensor targets = at::ones({hidden.size(0)}, at::kLong);
          (-model->LogProbs(hidden, targets, 1, false).first.sum()).backward();
        }
        return model->Parameters()[2].second.grad();
      };
  EXPECT_TRUE(at::allclose(gradient({{{1, 2, 3}, {4, 5}, {6}}}),
                           gradient({{{4, 5}}, {{6}, {1, 2, 3}}}), 1e-4, 1e-6));
}

TEST(CausalLmTest, RefusesSequencesBeyondTheModelsPositions) {
  const auto model = RandomModel(SmallModel());
  const absl::Status status = CatchTorch("forward", [&] {
    model->Hidden(Batch({std::vector<int64_t>(33, 1)}));
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_NE(status.message().find("33 tokens"), std::string::npos);
}

TEST(CausalLmTest, RefusesWeightsOfAnotherModel) {
  const auto model = RandomModel(SmallModel());
  ModelConfig other = SmallModel();
  other.intermediate_size = 41;
  EXPECT_THROW(model->Load(RandomModel(other)->Export()), c10::Error);
}

TEST(TorchStatusTest, ClassifiesWhatLibTorchThrows) {
  const auto code = [](auto&& thrower) {
    return CatchTorch("test",
                      [&] {
                        thrower();
                        return absl::OkStatus();
                      })
        .code();
  };
  EXPECT_EQ(code([] {}), absl::StatusCode::kOk);
  EXPECT_EQ(code([] { TORCH_CHECK(false, "bad"); }),
            absl::StatusCode::kInternal);
  EXPECT_EQ(code([] { TORCH_CHECK_NOT_IMPLEMENTED(false, "none"); }),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(code([] { TORCH_CHECK_WITH(OutOfMemoryError, false, "full"); }),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code([] { TORCH_CHECK_WITH(DistBackendError, false, "nccl"); }),
            absl::StatusCode::kAborted);
  EXPECT_EQ(code([] { throw std::bad_alloc(); }),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code([] { throw 7; }), absl::StatusCode::kInternal);
}

TEST(TorchStatusTest, NamesThePlaceAndCutsTheMessage) {
  const absl::Status status = CatchTorch("build experience", [] {
    TORCH_CHECK(false, std::string(5000, 'x'));
    return absl::OkStatus();
  });
  EXPECT_EQ(status.message().find("build experience: "), 0u);
  EXPECT_LT(status.message().size(), 1100u);
}

}  // namespace
}  // namespace operant
