#include "common/nn/training_ops.h"

#include <torch/torch.h>

#include <vector>

#include "common/nn/training_kernels.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

// fp32 sums of at most a few hundred terms of order one: relative error about
// sqrt(n) * 6e-8, ten times that is allowed.
constexpr double kTolerance = 1e-5;

at::Tensor Random(at::IntArrayRef sizes, uint64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::randn(sizes, generator, at::kFloat).set_requires_grad(true);
}

at::Tensor Copy(const at::Tensor& leaf) {
  return leaf.detach().clone().set_requires_grad(true);
}

void ExpectClose(const at::Tensor& actual, const at::Tensor& expected,
                 const char* what) {
  ASSERT_TRUE(actual.defined() && expected.defined()) << what;
  ASSERT_EQ(actual.sizes(), expected.sizes()) << what;
  EXPECT_TRUE(at::allclose(actual, expected, kTolerance, kTolerance))
      << what << " differs by "
      << (actual - expected).abs().max().item<double>();
}

// Weights of the scalar that is differentiated: every output counts.
at::Tensor Objective(const at::Tensor& out, uint64_t seed) {
  return (out * Random(out.sizes(), seed).detach()).sum();
}

TEST(RmsNormTest, FusedLoopEqualsTheFormulaAndItsGradient) {
  for (const int64_t width : {1, 7, 32, 129}) {
    const at::Tensor x = Random({300, width}, 1), w = Random({width}, 2);
    const at::Tensor x2 = Copy(x), w2 = Copy(w);
    const at::Tensor fused = RmsNorm(x, w, 1e-5);
    const at::Tensor plain = plain::RmsNorm(x2, w2, 1e-5);
    ExpectClose(fused, plain, "value");
    Objective(fused, 3).backward();
    Objective(plain, 3).backward();
    ExpectClose(x.grad(), x2.grad(), "dx");
    EXPECT_TRUE(at::allclose(w.grad(), w2.grad(), 1e-4, 1e-4)) << "dweight";
  }
}

TEST(RmsNormTest, ResidualAdditionKeepsBothGradients) {
  const at::Tensor x = Random({5, 24}, 1), d = Random({5, 24}, 2),
                   w = Random({24}, 3);
  const at::Tensor x2 = Copy(x), d2 = Copy(d), w2 = Copy(w);
  const auto [sum, y] = AddRmsNorm(x, d, w, 1e-5);
  const at::Tensor sum2 = x2 + d2, y2 = plain::RmsNorm(sum2, w2, 1e-5);
  ExpectClose(sum, sum2, "sum");
  ExpectClose(y, y2, "norm");
  (Objective(sum, 4) + Objective(y, 5)).backward();
  (Objective(sum2, 4) + Objective(y2, 5)).backward();
  ExpectClose(x.grad(), x2.grad(), "dx");
  ExpectClose(d.grad(), d2.grad(), "ddelta");
  ExpectClose(w.grad(), w2.grad(), "dweight");
}

TEST(RmsNormTest, EitherOutputMayGoUnused) {
  for (const bool use_norm : {false, true}) {
    const at::Tensor x = Random({4, 8}, 1), d = Random({4, 8}, 2),
                     w = Random({8}, 3);
    const at::Tensor x2 = Copy(x);
    const auto [sum, y] = AddRmsNorm(x, d, w, 1e-5);
    Objective(use_norm ? y : sum, 4).backward();
    const at::Tensor sum2 = x2 + d.detach();
    Objective(use_norm ? plain::RmsNorm(sum2, w.detach(), 1e-5) : sum2, 4)
        .backward();
    ExpectClose(x.grad(), x2.grad(), "dx");
  }
}

TEST(SwiGluTest, FusedLoopEqualsTheFormulaAndItsGradient) {
  const at::Tensor x = (Random({70, 2 * 37}, 1) * 4).detach();
  const at::Tensor a = Copy(x), b = Copy(x);
  ExpectClose(SwiGlu(a), plain::SwiGlu(b), "value");
  Objective(SwiGlu(a), 2).backward();
  Objective(plain::SwiGlu(b), 2).backward();
  ExpectClose(a.grad(), b.grad(), "gradient");
}

TEST(SwiGluTest, LargeGatesNeitherOverflowNorLoseTheirSign) {
  const at::Tensor x = at::tensor({-200.0F, 200.0F, 1.0F, 1.0F}).view({1, 4});
  ExpectClose(SwiGlu(x), plain::SwiGlu(x), "value");
}

PackedSequences Lengths(const std::vector<int64_t>& lengths) {
  PackedSequences sequences;
  for (const int64_t length : lengths) {
    sequences.begin.push_back(sequences.begin.back() + length);
    sequences.longest = std::max(sequences.longest, length);
  }
  return sequences;
}

void ExpectAttentionMatches(const HeadShape& shape,
                            const std::vector<int64_t>& lengths) {
  const PackedSequences sequences = Lengths(lengths);
  const RotaryTable rotary =
      MakeRotaryTable(sequences.longest, shape.head_dim, 10000);
  const at::Tensor a = Random(
      {sequences.rows(), (shape.heads + 2 * shape.kv_heads) * shape.head_dim},
      7);
  const at::Tensor b = Copy(a);
  const at::Tensor fused = PackedAttention(a, rotary, sequences, shape);
  const at::Tensor plain = plain::PackedAttention(b, rotary, sequences, shape);
  ExpectClose(fused, plain, "value");
  Objective(fused, 8).backward();
  Objective(plain, 8).backward();
  ExpectClose(a.grad(), b.grad(), "gradient");
}

TEST(AttentionTest, FusedLoopEqualsTheFormulaAndItsGradient) {
  ExpectAttentionMatches({4, 4, 32}, {25, 1, 40, 8});
  ExpectAttentionMatches({6, 2, 10}, {3, 17, 16});  // grouped, odd width
  ExpectAttentionMatches({3, 1, 6}, {1, 2, 33});    // one key/value head
  ExpectAttentionMatches({2, 2, 2}, {70});          // smallest head
}

TEST(AttentionTest, LongSequencesTakeTheTiledPath) {
  ExpectAttentionMatches({2, 1, 8}, {600, 5});
}

// bf16 keeps 8 bits: what goes in and out is rounded once, the rest is fp32.
constexpr double kBf16Rounding = 1.0 / 256;

template <typename Operator>
void ExpectBf16IsTheFp32OperatorRounded(const at::Tensor& input,
                                        const Operator& op) {
  const at::Tensor narrow =
      input.detach().to(at::kBFloat16).set_requires_grad(true);
  const at::Tensor wide =
      narrow.detach().to(at::kFloat).set_requires_grad(true);
  const at::Tensor out = op(narrow);
  EXPECT_EQ(out.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::equal(out, op(wide).to(at::kBFloat16)));
  Objective(out.to(at::kFloat), 8).backward();
  Objective(op(wide), 8).backward();
  EXPECT_TRUE(at::allclose(narrow.grad().to(at::kFloat), wide.grad(),
                           4 * kBf16Rounding, 4 * kBf16Rounding));
}

TEST(SwiGluTest, InBf16ItIsTheFp32OperatorRounded) {
  ExpectBf16IsTheFp32OperatorRounded(
      Random({70, 2 * 37}, 1), [](const at::Tensor& x) { return SwiGlu(x); });
}

TEST(AttentionTest, InBf16ItIsTheFp32OperatorRounded) {
  for (const int64_t longest : {21, 600}) {
    const HeadShape shape = {4, 2, 8};
    const PackedSequences sequences = Lengths({3, longest});
    const RotaryTable rotary = MakeRotaryTable(longest, 8, 10000);
    ExpectBf16IsTheFp32OperatorRounded(
        Random({sequences.rows(), 64}, 7), [&](const at::Tensor& x) {
          return PackedAttention(x, rotary, sequences, shape);
        });
  }
}

TEST(AttentionTest, ASequenceDoesNotSeeItsNeighbours) {
  const HeadShape shape = {2, 2, 8};
  const RotaryTable rotary = MakeRotaryTable(16, 8, 10000);
  const at::Tensor qkv = Random({9, 48}, 1).detach();
  const at::Tensor together =
      PackedAttention(qkv, rotary, Lengths({4, 5}), shape);
  const at::Tensor alone =
      PackedAttention(qkv.narrow(0, 4, 5), rotary, Lengths({5}), shape);
  EXPECT_TRUE(at::equal(together.narrow(0, 4, 5), alone));
}

// Row gradients of a plain log-softmax for comparison.
void ExpectLogProbsMatch(double temperature, bool entropy_gradient,
                         int64_t vocabulary) {
  const int64_t rows = 700;  // several tiles
  const at::Tensor h = Random({rows, 16}, 1), w = Random({vocabulary, 16}, 2);
  const at::Tensor h2 = Copy(h), w2 = Copy(w);
  const at::Tensor targets = at::randint(vocabulary, {rows}, at::kLong);
  const auto [logprob, entropy] =
      TokenLogProbs(h, w, targets, {temperature, entropy_gradient});
  const at::Tensor log_p = at::log_softmax(at::mm(h2, w2.t()) / temperature, 1);
  const at::Tensor logprob2 = log_p.gather(1, targets.unsqueeze(1)).squeeze(1);
  const at::Tensor entropy2 = -(log_p.exp() * log_p).sum(1);
  ExpectClose(logprob, logprob2, "log-prob");
  EXPECT_TRUE(at::allclose(entropy, entropy2, 1e-4, 1e-5)) << "entropy";
  EXPECT_EQ(entropy.requires_grad(), entropy_gradient);
  const auto objective = [&](const at::Tensor& l, const at::Tensor& e) {
    return entropy_gradient ? Objective(l, 3) + Objective(e, 4)
                            : Objective(l, 3);
  };
  objective(logprob, entropy).backward();
  objective(logprob2, entropy2).backward();
  EXPECT_TRUE(at::allclose(h.grad(), h2.grad(), 1e-4, 1e-4)) << "dhidden";
  // Sums over 700 rows.
  EXPECT_TRUE(at::allclose(w.grad(), w2.grad(), 1e-4, 1e-3)) << "dweight";
}

TEST(TokenLogProbsTest, EqualsLogSoftmaxAndItsGradient) {
  ExpectLogProbsMatch(1, false, 2048);
  ExpectLogProbsMatch(0.7, false, 13);
  ExpectLogProbsMatch(1.5, true, 515);
}

TEST(TokenLogProbsTest, HandMadeCase) {
  // Logits are the hidden row itself: softmax(0, ln 3) = (1/4, 3/4).
  const at::Tensor hidden = at::tensor({0.0F, std::log(3.0F)}).view({1, 2});
  const auto [logprob, entropy] =
      TokenLogProbs(hidden, at::eye(2), at::tensor({int64_t{1}}), {1, false});
  EXPECT_NEAR(logprob.item<double>(), std::log(0.75), 1e-6);
  EXPECT_NEAR(entropy.item<double>(),
              -0.25 * std::log(0.25) - 0.75 * std::log(0.75), 1e-6);
}

TEST(TokenLogProbsTest, ExtremeLogitsStayFinite) {
  const at::Tensor hidden = at::tensor({3e4F, -3e4F}).view({2, 1});
  const auto [logprob, entropy] =
      TokenLogProbs(hidden, at::tensor({1.0F, -1.0F}).view({2, 1}),
                    at::tensor({int64_t{1}, int64_t{1}}), {1, false});
  EXPECT_FLOAT_EQ(logprob[0].item<float>(), -6e4F);
  EXPECT_EQ(logprob[1].item<float>(), 0);
  EXPECT_NEAR(entropy.abs().max().item<float>(), 0, 1e-6);
}

TEST(TokenLogProbsTest, NotANumberIsNotHidden) {
  const at::Tensor hidden =
      at::full({1, 4}, std::numeric_limits<float>::quiet_NaN());
  const auto [logprob, entropy] = TokenLogProbs(
      hidden, at::ones({9, 4}), at::zeros({1}, at::kLong), {1, false});
  EXPECT_TRUE(std::isnan(logprob.item<float>()));
}

TEST(TokenLogProbsTest, RefusesATemperatureThatIsNotPositive) {
  EXPECT_THROW(TokenLogProbs(at::ones({1, 1}), at::ones({2, 1}),
                             at::zeros({1}, at::kLong), {0, false}),
               c10::Error);
}

// Every table that this processor can run agrees with the portable one.
TEST(TrainingKernelsTest, InstructionSetsAgree) {
  constexpr int64_t kWidth = 77;
  const at::Tensor x = (Random({1, 2 * kWidth}, 1) * 5).detach();
  const auto run = [&](const TrainingKernels& kernels) {
    at::Tensor y = at::empty({kWidth});
    kernels.swiglu_forward({.gate_up = x.data_ptr<float>(),
                            .y = y.data_ptr<float>(),
                            .width = kWidth},
                           0, 1);
    return y;
  };
  ExpectClose(run(ChooseTrainingKernels()), run(TrainingKernelsPortable()),
              ChooseTrainingKernels().instruction_set);
  ExpectClose(run(TrainingKernelsPortable()), plain::SwiGlu(x).view({kWidth}),
              "portable");
}

}  // namespace
}  // namespace operant
