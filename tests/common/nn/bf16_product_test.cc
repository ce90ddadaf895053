#include "common/nn/bf16_product.h"

#include <torch/torch.h>

#include <vector>

#include "gtest/gtest.h"

namespace operant {
namespace {

// Half a unit in the last of bf16's 8 bits, as a relative error.
constexpr double kHalfUlp = 1.0 / 256;

at::Tensor Random(at::IntArrayRef sizes, uint64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::randn(sizes, generator, at::kFloat);
}

at::Tensor Leaf(at::IntArrayRef sizes, uint64_t seed) {
  return Random(sizes, seed).set_requires_grad(true);
}

// The operand as bf16 holds it, exact in double.
at::Tensor Operand(const at::Tensor& x) {
  return x.detach().to(at::kBFloat16).to(at::kDouble);
}

bool IsBf16(const at::Tensor& x) {
  return at::equal(x, x.to(at::kBFloat16).to(x.scalar_type()));
}

TEST(Bf16ProductTest, BothKernelsRoundTheExactProductOnce) {
  const at::Tensor a = Random({33, 70}, 1).to(at::kBFloat16);
  const at::Tensor b = Random({70, 19}, 2).to(at::kBFloat16);
  const at::Tensor exact = at::mm(a.to(at::kDouble), b.to(at::kDouble));
  for (const auto kernels :
       {internal::Bf16Kernels::kNative, internal::Bf16Kernels::kWidened}) {
    const at::Tensor product =
        internal::Bf16Product(a, b, at::kBFloat16, kernels);
    ASSERT_EQ(product.scalar_type(), at::kBFloat16);
    // 1e-4: fp32 sums of 70 terms that cancel, then the rounding.
    EXPECT_TRUE(
        at::allclose(product.to(at::kDouble), exact, kHalfUlp * 1.02, 1e-4));
  }
}

TEST(Bf16LinearTest, SumsRoundedOperandsInFp32) {
  const at::Tensor x = Random({9, 300}, 1), w = Random({7, 300}, 2);
  const at::Tensor y = Bf16Linear(x, {w}, {});
  ASSERT_EQ(y.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::allclose(y.to(at::kDouble),
                           at::mm(Operand(x), Operand(w).t()), kHalfUlp * 1.02,
                           1e-3));
}

TEST(Bf16LinearTest, WeightGradientsAreFp32SumsOverRows) {
  const at::Tensor x = Leaf({300, 8}, 1), w = Leaf({5, 8}, 2), b = Leaf({5}, 3);
  const at::Tensor dy = Random({300, 5}, 4).to(at::kBFloat16);
  Bf16Linear(x, {w}, {b}).backward(dy);
  const at::Tensor exact = at::mm(Operand(dy).t(), Operand(x));
  ASSERT_EQ(w.grad().scalar_type(), at::kFloat);
  ASSERT_EQ(x.grad().scalar_type(), at::kFloat);
  if (internal::ChooseBf16Kernels(x) == internal::Bf16Kernels::kWidened) {
    EXPECT_FALSE(IsBf16(w.grad())) << "rounded to bf16";
    EXPECT_TRUE(at::allclose(w.grad().to(at::kDouble), exact, 1e-5, 1e-4));
  }
  EXPECT_TRUE(
      at::allclose(w.grad().to(at::kDouble), exact, kHalfUlp * 1.02, 1e-3));
  EXPECT_TRUE(
      at::allclose(b.grad().to(at::kDouble), Operand(dy).sum(0), 1e-5, 1e-4));
  EXPECT_TRUE(at::allclose(x.grad().to(at::kDouble),
                           at::mm(Operand(dy), Operand(w)), kHalfUlp * 1.02,
                           1e-4));
}

TEST(Bf16LinearTest, LayersSideBySideAreTheLayersOneByOne) {
  const at::Tensor x = Random({6, 16}, 1);
  const std::vector<at::Tensor> w = {Leaf({4, 16}, 2), Leaf({3, 16}, 3)};
  const std::vector<at::Tensor> b = {Leaf({4}, 4), Leaf({3}, 5)};
  const at::Tensor together = Bf16Linear(x, w, b);
  const at::Tensor dy = Random({6, 7}, 6).to(at::kBFloat16);
  together.backward(dy);
  const at::Tensor w1 = w[1].detach().clone().set_requires_grad(true);
  const at::Tensor b1 = b[1].detach().clone().set_requires_grad(true);
  const at::Tensor alone = Bf16Linear(x, {w1}, {b1});
  alone.backward(dy.narrow(1, 4, 3));
  // Another product may sum in another order.
  EXPECT_TRUE(at::allclose(together.narrow(1, 4, 3).to(at::kFloat),
                           alone.to(at::kFloat), 2 * kHalfUlp, 1e-4));
  EXPECT_TRUE(at::allclose(w[1].grad(), w1.grad(), 2 * kHalfUlp, 1e-4));
  EXPECT_TRUE(at::equal(b[1].grad(), b1.grad()));
}

TEST(RoundedToBf16Test, RoundsTheValueAndPassesTheGradient) {
  const at::Tensor x = Leaf({40}, 1);
  const at::Tensor y = RoundedToBf16(x);
  EXPECT_TRUE(IsBf16(y));
  EXPECT_TRUE(at::allclose(y, x, kHalfUlp, 0));
  const at::Tensor dy = Random({40}, 2);
  y.backward(dy);
  EXPECT_TRUE(at::equal(x.grad(), dy));
}

}  // namespace
}  // namespace operant
