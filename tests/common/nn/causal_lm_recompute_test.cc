// The decoder with Recompute::kLayer against the decoder without.
#include <torch/torch.h>

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

// What the learner trains with: a model whose gradients are views of the
// optimiser's flat buffer.
struct Trained {
  Trained(const ModelConfig& config, Recompute recompute)
      : model(RandomModel(config, 3, {.recompute = recompute})),
        optimizer({{.parameters = model->Parameters(), .learning_rate = 1e-3}},
                  {}) {
    ScaleMatrices(*model, 10);
  }

  // Adds two micro-batches' gradients up; the last one's loss.
  double Accumulate() {
    double loss = 0;
    for (const auto& rows : std::vector<std::vector<std::vector<int64_t>>>{
             {{1, 2, 3, 4, 9, 8}, {5, 6}}, {{7, 7, 3}, {11, 12}, {13}}}) {
      const at::Tensor hidden = model->Hidden(Batch(rows));
      const at::Tensor targets = at::ones({hidden.size(0)}, at::kLong);
      const auto [logprob, entropy] =
          model->LogProbs(hidden, targets, 0.9, /*entropy_gradient=*/true);
      const at::Tensor total = -logprob.mean() - 0.1 * entropy.mean();
      total.backward();
      loss = total.item<double>();
    }
    return loss;
  }

  std::unique_ptr<CausalLm> model;
  AdamW optimizer;
};

std::map<std::string, ModelConfig> Variants() {
  std::map<std::string, ModelConfig> variants = {{"grouped", SmallModel()}};
  variants["one key/value head"] = SmallModel();
  variants["one key/value head"].num_key_value_heads = 1;
  variants["tied"] = SmallModel();
  variants["tied"].tie_word_embeddings = true;
  ModelConfig biased = SmallModel();
  biased.attention_bias = biased.attention_output_bias = biased.mlp_bias = true;
  variants["biased"] = biased;
  variants["one layer"] = SmallModel();
  variants["one layer"].num_hidden_layers = 1;
  return variants;
}

// The residual addition is a loop of its own there: one rounding differs.
TEST(CausalLmRecomputeTest, LossAndGradientEqualThoseOfKeptActivations) {
  for (const auto& [name, config] : Variants()) {
    Trained kept(config, Recompute::kNone), again(config, Recompute::kLayer);
    EXPECT_EQ(kept.Accumulate(), again.Accumulate()) << name;
    const at::Tensor expected = kept.optimizer.flat_gradients();
    EXPECT_GT(expected.abs().max().item<double>(), 1e-3) << name;
    EXPECT_TRUE(at::allclose(again.optimizer.flat_gradients(), expected, 1e-6,
                             1e-6 * expected.abs().max().item<double>()))
        << name;
  }
}

// Counts calls, and checks that the gradient is where the optimiser reads it.
class CountingHook final : public torch::autograd::PostAccumulateGradHook {
 public:
  CountingHook(int& calls, const void* expected)
      : calls_(calls), expected_(expected) {}
  void operator()(const torch::autograd::Variable& parameter) override {
    ++calls_;
    EXPECT_EQ(parameter.grad().data_ptr(), expected_);
  }

 private:
  int& calls_;
  const void* expected_;
};

TEST(CausalLmRecomputeTest, AParametersGradientArrivesOncePerBackwardPass) {
  for (const auto& [name, config] : Variants()) {
    Trained trained(config, Recompute::kLayer);
    std::map<std::string, int> calls;
    for (auto& [parameter_name, parameter] : trained.model->Parameters()) {
      torch::autograd::impl::set_post_acc_grad_hooks(
          parameter, std::make_unique<CountingHook>(
                         calls[parameter_name], parameter.grad().data_ptr()));
    }
    trained.Accumulate();  // two passes
    for (const auto& [parameter_name, count] : calls) {
      EXPECT_EQ(count, 2) << name << ": " << parameter_name;
    }
  }
}

TEST(CausalLmRecomputeTest, WithoutGradientsItComputesTheSame) {
  const at::NoGradGuard no_grad;
  const ModelConfig config = SmallModel();
  const Trained kept(config, Recompute::kNone),
      again(config, Recompute::kLayer);
  const TokenBatch batch = Batch({{1, 2, 3}, {4, 5}});
  EXPECT_TRUE(at::equal(kept.model->Hidden(batch), again.model->Hidden(batch)));
}

}  // namespace
}  // namespace operant
