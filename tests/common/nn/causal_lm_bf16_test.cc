// The decoder computing in bf16 against the same decoder in fp32.
#include <torch/torch.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/nn/adamw.h"
#include "common/nn/causal_lm.h"
#include "gtest/gtest.h"
#include "tests/common/nn/small_causal_lm.h"

namespace operant {
namespace {

// Each product rounds its operands and its result to 8 bits: up to 2^-8
// relative each, a dozen of them in a row through two layers, partly
// cancelling.
constexpr double kLossTolerance = 1e-2;      // relative
constexpr double kGradientTolerance = 3e-2;  // of the gradient's L2 norm

std::map<std::string, ModelConfig> Variants() {
  std::map<std::string, ModelConfig> variants = {{"grouped", SmallModel()}};
  variants["tied"] = SmallModel();
  variants["tied"].tie_word_embeddings = true;
  ModelConfig biased = SmallModel();
  biased.attention_bias = biased.attention_output_bias = biased.mlp_bias = true;
  variants["biased"] = biased;
  return variants;
}

struct Trained {
  Trained(const ModelConfig& config, const CausalLm::Options& options)
      : model(RandomModel(config, 3, options)),
        optimizer({{.parameters = model->Parameters(), .learning_rate = 3e-3}},
                  {}) {
    ScaleMatrices(*model, 5);
  }

  // Adds the gradient of the loss on `rows`, each of which is to predict its
  // next token.
  double Accumulate(const std::vector<std::vector<int64_t>>& rows) {
    std::vector<std::vector<int64_t>> inputs;
    std::vector<int64_t> targets;
    for (const auto& row : rows) {
      inputs.emplace_back(row.begin(), row.end() - 1);
      targets.insert(targets.end(), row.begin() + 1, row.end());
    }
    const at::Tensor hidden = model->Hidden(Batch(inputs));
    EXPECT_EQ(hidden.scalar_type(), at::kFloat);
    const at::Tensor loss =
        -model->LogProbs(hidden, at::tensor(targets), 1, false).first.mean();
    loss.backward();
    return loss.item<double>();
  }

  std::unique_ptr<CausalLm> model;
  AdamW optimizer;
};

const std::vector<std::vector<int64_t>> kRows = {
    {1, 2, 3, 4, 9, 8}, {5, 6, 7}, {30, 31, 32, 33}};

double RelativeDistance(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

TEST(CausalLmBf16Test, LossAndGradientAreThoseOfFp32ToBf16sRounding) {
  for (const auto& [name, config] : Variants()) {
    Trained wide(config, {});
    Trained narrow(config, {.compute = ComputeType::kBf16});
    const double expected = wide.Accumulate(kRows);
    EXPECT_NEAR(narrow.Accumulate(kRows), expected, kLossTolerance * expected)
        << name;
    const double distance = RelativeDistance(narrow.optimizer.flat_gradients(),
                                             wide.optimizer.flat_gradients());
    EXPECT_LE(distance, kGradientTolerance) << name;
    EXPECT_GE(distance, 1e-4) << name << ": computed in fp32";
  }
}

TEST(CausalLmBf16Test, EveryParametersGradientIsThatOfFp32) {
  ModelConfig config = Variants()["biased"];
  Trained wide(config, {});
  Trained narrow(config, {.compute = ComputeType::kBf16});
  wide.Accumulate(kRows);
  narrow.Accumulate(kRows);
  const auto expected = wide.model->Parameters();
  const auto actual = narrow.model->Parameters();
  for (size_t i = 0; i < expected.size(); ++i) {
    const at::Tensor gradient = expected[i].second.grad();
    // The keys' biases move no softmax: their gradient is rounding alone.
    if (gradient.norm().item<double>() < 1e-6) continue;
    EXPECT_LE(RelativeDistance(actual[i].second.grad(), gradient), 0.1)
        << expected[i].first;
  }
}

TEST(CausalLmBf16Test, RecomputedLayersGiveTheSameGradient) {
  const ModelConfig config = Variants()["biased"];
  Trained kept(config, {.compute = ComputeType::kBf16});
  Trained again(
      config, {.compute = ComputeType::kBf16, .recompute = Recompute::kLayer});
  EXPECT_EQ(kept.Accumulate(kRows), again.Accumulate(kRows));
  EXPECT_LE(RelativeDistance(again.optimizer.flat_gradients(),
                             kept.optimizer.flat_gradients()),
            1e-3);  // where a sum in fp32 rounds to another bf16
}

// Sequences that a start decides, learned by heart.
std::vector<double> LossesOfTraining(ComputeType compute) {
  Trained trained(SmallModel(), {.compute = compute});
  std::vector<double> losses;
  for (int step = 0; step < 60; ++step) {
    losses.push_back(trained.Accumulate(kRows));
    EXPECT_TRUE(trained.optimizer.Step(1).applied);
  }
  return losses;
}

TEST(CausalLmBf16Test, LearnsAsFp32Does) {
  const std::vector<double> wide = LossesOfTraining(ComputeType::kFp32);
  const std::vector<double> narrow = LossesOfTraining(ComputeType::kBf16);
  ASSERT_LT(wide.back(), 0.1 * wide.front());
  for (size_t step = 0; step < wide.size(); ++step) {
    EXPECT_NEAR(narrow[step], wide[step], 0.1 * wide[step] + 0.02) << step;
  }
}

TEST(CausalLmBf16Test, LogitsAndLogProbsAgreeAndAreNotRounded) {
  const at::NoGradGuard no_grad;
  const auto model =
      RandomModel(SmallModel(), 1, {.compute = ComputeType::kBf16});
  const at::Tensor hidden = model->Hidden(Batch({{1, 2, 3}}));
  const at::Tensor logits = model->Logits(hidden);
  EXPECT_FALSE(at::equal(logits, logits.to(at::kBFloat16).to(at::kFloat)));
  const at::Tensor targets = at::tensor({int64_t{4}, int64_t{5}, int64_t{6}});
  EXPECT_TRUE(at::allclose(
      model->LogProbs(hidden, targets, 1, false).first,
      at::log_softmax(logits, 1).gather(1, targets.unsqueeze(1)).squeeze(1),
      1e-5, 1e-5));
}

}  // namespace
}  // namespace operant
