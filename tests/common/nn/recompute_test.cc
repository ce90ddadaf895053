#include "common/nn/recompute.h"

#include <torch/torch.h>

#include <memory>
#include <vector>

#include "gtest/gtest.h"

namespace operant {
namespace {

// A layer of two products, a bias, and a non-linearity whose input is kept.
at::Tensor TwoProducts(const at::Tensor& x,
                       const std::vector<at::Tensor>& parameters) {
  return x + at::mm(at::silu(at::linear(x, parameters[0], parameters[1])),
                    parameters[2]);
}

at::Tensor Leaf(at::IntArrayRef sizes, uint64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::randn(sizes, generator, at::kFloat).set_requires_grad(true);
}

struct Inputs {
  at::Tensor x = Leaf({5, 8}, 1);
  std::vector<at::Tensor> parameters = {Leaf({16, 8}, 2), Leaf({16}, 3),
                                        Leaf({16, 8}, 4)};
};

TEST(RecomputedTest, ValueAndGradientsAreTheSegmentsOwnBitForBit) {
  const Inputs kept, dropped;
  const at::Tensor a = TwoProducts(kept.x, kept.parameters);
  const at::Tensor b = Recomputed(TwoProducts, dropped.x, dropped.parameters);
  EXPECT_TRUE(at::equal(a, b));
  a.square().sum().backward();
  b.square().sum().backward();
  EXPECT_TRUE(at::equal(kept.x.grad(), dropped.x.grad()));
  for (size_t i = 0; i < kept.parameters.size(); ++i) {
    EXPECT_TRUE(
        at::equal(kept.parameters[i].grad(), dropped.parameters[i].grad()))
        << i;
  }
}

TEST(RecomputedTest, RunsOnceInEachPassAndKeepsNothingBetween) {
  const Inputs in;
  int runs = 0;
  std::vector<c10::weak_intrusive_ptr<at::TensorImpl>> activations;
  const Segment segment = [&](const at::Tensor& x,
                              const std::vector<at::Tensor>& parameters) {
    ++runs;
    const at::Tensor inner = at::linear(x, parameters[0], parameters[1]);
    activations.emplace_back(inner.getIntrusivePtr());
    return at::mm(at::silu(inner), parameters[2]);
  };
  const at::Tensor out = Recomputed(segment, in.x, in.parameters);
  EXPECT_EQ(runs, 1);
  EXPECT_TRUE(activations[0].expired()) << "an activation is kept";
  out.sum().backward();
  EXPECT_EQ(runs, 2);
  EXPECT_TRUE(activations[1].expired());
}

TEST(RecomputedTest, WithoutGradientsItIsTheSegment) {
  const Inputs in;
  const at::NoGradGuard no_grad;
  int runs = 0;
  const at::Tensor out = Recomputed(
      [&](const at::Tensor& x, const std::vector<at::Tensor>& parameters) {
        ++runs;
        return TwoProducts(x, parameters);
      },
      in.x, in.parameters);
  EXPECT_EQ(runs, 1);
  EXPECT_FALSE(out.requires_grad());
}

TEST(RecomputedTest, AnInputWithoutGradientGetsNone) {
  Inputs in;
  in.x = in.x.detach();
  in.parameters[1] = in.parameters[1].detach();
  Recomputed(TwoProducts, in.x, in.parameters).sum().backward();
  EXPECT_FALSE(in.x.grad().defined());
  EXPECT_FALSE(in.parameters[1].grad().defined());
  EXPECT_TRUE(in.parameters[0].grad().defined());
}

TEST(RecomputedTest, AParameterChangedInBetweenIsRefused) {
  const Inputs in;
  const at::Tensor out = Recomputed(TwoProducts, in.x, in.parameters);
  {
    const at::NoGradGuard no_grad;
    in.parameters[0].mul_(2);
  }
  EXPECT_THROW(out.sum().backward(), c10::Error);
}

}  // namespace
}  // namespace operant
