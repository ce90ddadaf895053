#include "common/nn/cpu_kernels.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace operant {
namespace {

class CpuKernelsTest : public testing::TestWithParam<const CpuKernels*> {
 protected:
  // e^x by the kernel, for x <= 0.
  std::vector<float> Exp(const std::vector<float>& x) const {
    std::vector<float> out(x.size());
    std::vector<float> sums(x.size() / kSumRun + 1);
    GetParam()->exp_sums(x.data(), static_cast<int64_t>(x.size()), {0, 1},
                         out.data(), sums.data());
    return out;
  }
};

TEST_P(CpuKernelsTest, ExpIsWithinTwoUnitsInTheLastPlace) {
  std::vector<float> x;
  for (float v = -86; v <= 0; v += 0.0007f) x.push_back(v);
  const std::vector<float> e = Exp(x);
  for (size_t i = 0; i < x.size(); ++i) {
    const double exact = std::exp(static_cast<double>(x[i]));
    ASSERT_NEAR(e[i] / exact, 1, 2.5e-7) << "x = " << x[i];
  }
}

TEST_P(CpuKernelsTest, ExpOfAVeryNegativeNumberIsNearlyZero) {
  for (const float e : Exp({-90, -1e4f, -1e30f})) {
    EXPECT_GE(e, 0);
    EXPECT_LT(e, 1e-37f);
  }
}

TEST_P(CpuKernelsTest, NanComesThroughExp) {
  for (size_t at : {0u, 3u, 8u, 70u}) {
    std::vector<float> x(71, -1.0f);
    x[at] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_TRUE(std::isnan(Exp(x)[at])) << at;
  }
}

TEST_P(CpuKernelsTest, ExpSumsAreTheSumsOfRuns) {
  const std::vector<float> x(2 * kSumRun + 5, -0.5f);
  std::vector<float> out(x.size());
  std::vector<float> sums(3);
  GetParam()->exp_sums(x.data(), static_cast<int64_t>(x.size()), {0.25f, 2},
                       out.data(), sums.data());
  const float e = std::exp(-1.5f);
  EXPECT_NEAR(sums[0], kSumRun * e, 1e-4f);
  EXPECT_NEAR(sums[1], kSumRun * e, 1e-4f);
  EXPECT_NEAR(sums[2], 5 * e, 1e-5f);
}

TEST_P(CpuKernelsTest, RangeFindsBothEndsWhereverTheyLie) {
  for (const size_t n : {1u, 5u, 16u, 67u}) {
    for (size_t at = 0; at < n; ++at) {
      std::vector<float> x(n, 0.5f);
      x[at] = -3;
      x[(at + 1) % n] = 4;
      const Range range = GetParam()->range(x.data(), static_cast<int64_t>(n));
      EXPECT_EQ(range.high, 4);
      EXPECT_EQ(range.low, n == 1 ? 4 : -3);
    }
  }
}

TEST_P(CpuKernelsTest, SoftmaxSumsEqualTheirDefinition) {
  std::vector<float> x;
  for (int i = 0; i < 777; ++i)
    x.push_back(std::sin(static_cast<float>(i)) * 5);
  const SoftmaxSums sums = GetParam()->softmax_sums(x.data(), 777, 0.5f);
  double sum = 0;
  double weighted = 0;
  for (const float v : x) {
    const double z = (v - sums.max) * 0.5;
    sum += std::exp(z);
    weighted += std::exp(z) * z;
  }
  EXPECT_NEAR(sums.sum / sum, 1, 1e-6);
  EXPECT_NEAR(sums.weighted / weighted, 1, 1e-6);
}

TEST_P(CpuKernelsTest, SwigluSaturatesWithoutOverflow) {
  const std::vector<float> gate = {-1e4f, -2, 0, 2, 1e4f};
  const std::vector<float> up(5, 3.0f);
  std::vector<float> out(5);
  GetParam()->swiglu(gate.data(), up.data(), 5, out.data());
  EXPECT_NEAR(out[0], 0, 1e-30);
  EXPECT_NEAR(out[1], -6 / (1 + std::exp(2.0)), 1e-6);
  EXPECT_EQ(out[2], 0);
  EXPECT_NEAR(out[3], 6 / (1 + std::exp(-2.0)), 1e-6);
  EXPECT_FLOAT_EQ(out[4], 3e4f);
}

INSTANTIATE_TEST_SUITE_P(Tables, CpuKernelsTest,
                         testing::ValuesIn(AvailableCpuKernels().begin(),
                                           AvailableCpuKernels().end()),
                         [](const auto& info) {
                           return std::string(info.param->name);
                         });

TEST(CpuKernelsChoiceTest, ThePortableTableIsAlwaysThere) {
  EXPECT_STREQ(AvailableCpuKernels().back()->name, "portable");
}

}  // namespace
}  // namespace operant
