#include "common/nn/gemm.h"

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"

namespace operant {
namespace {

std::vector<float> RandomFloats(int64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(static_cast<size_t>(count));
  for (float& x : out) x = normal(random);
  return out;
}

struct Problem {
  int64_t m;
  int64_t n;
  int64_t k;
};

class GemmTest
    : public testing::TestWithParam<std::tuple<const CpuKernels*, Problem>> {
 protected:
  GemmTest()
      : p_(std::get<1>(GetParam())),
        a_(RandomFloats(p_.m * p_.k, 1)),
        w_(RandomFloats(p_.n * p_.k, 2)),
        bias_(RandomFloats(p_.n, 3)),
        packed_(*std::get<0>(GetParam()), p_.n, p_.k) {
    packed_.PackRows(0, w_);
    packed_.PackBias(0, bias_);
  }

  double Expected(int64_t row, int64_t column) const {
    double sum = bias_[static_cast<size_t>(column)];
    for (int64_t k = 0; k < p_.k; ++k) {
      sum += static_cast<double>(a_[static_cast<size_t>(row * p_.k + k)]) *
             static_cast<double>(w_[static_cast<size_t>(column * p_.k + k)]);
    }
    return sum;
  }

  const Problem p_;
  const std::vector<float> a_;
  const std::vector<float> w_;
  const std::vector<float> bias_;
  PackedMatrix packed_;
};

TEST_P(GemmTest, EqualsTheProductAndTouchesNothingElse) {
  const auto size = static_cast<size_t>(p_.m * p_.n);
  std::vector<float> c(size + 64, 1234.0f);
  Multiply(packed_, a_.data(), p_.m, c.data(), false);
  std::vector<float> added(size, 10.0f);
  Multiply(packed_, a_.data(), p_.m, added.data(), true);
  // k roundings of 2^-24 on sums of about sqrt(k).
  const double k = static_cast<double>(p_.k);
  const double tolerance = 1e-5 + 6e-8 * k * std::sqrt(k);
  for (int64_t row = 0; row < p_.m; ++row) {
    for (int64_t column = 0; column < p_.n; ++column) {
      const auto at = static_cast<size_t>(row * p_.n + column);
      const double expected = Expected(row, column);
      ASSERT_NEAR(c[at], expected, tolerance) << row << "," << column;
      ASSERT_NEAR(added[at], 10 + expected, 2 * tolerance);
    }
  }
  for (size_t i = size; i < c.size(); ++i) ASSERT_EQ(c[i], 1234.0f);
}

TEST_P(GemmTest, ARowIsTheSameAloneBitForBit) {
  std::vector<float> all(static_cast<size_t>(p_.m * p_.n));
  Multiply(packed_, a_.data(), p_.m, all.data(), false);
  std::vector<float> one(static_cast<size_t>(p_.n));
  for (int64_t row = 0; row < p_.m; ++row) {
    Multiply(packed_, a_.data() + row * p_.k, 1, one.data(), false);
    ASSERT_EQ(0, std::memcmp(one.data(), all.data() + row * p_.n,
                             one.size() * sizeof(float)))
        << "row " << row;
  }
}

std::string Name(const testing::TestParamInfo<GemmTest::ParamType>& info) {
  const Problem& p = std::get<1>(info.param);
  return std::string(std::get<0>(info.param)->name) + "_" +
         std::to_string(p.m) + "x" + std::to_string(p.n) + "x" +
         std::to_string(p.k);
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, GemmTest,
    testing::Combine(testing::ValuesIn(AvailableCpuKernels().begin(),
                                       AvailableCpuKernels().end()),
                     testing::Values(Problem{1, 1, 1}, Problem{7, 33, 5},
                                     Problem{13, 16, 256}, Problem{28, 31, 257},
                                     Problem{41, 96, 600})),
    Name);

TEST(PackedMatrixTest, MatricesPackedSideBySideMultiplyAsOne) {
  const std::vector<float> first = RandomFloats(5 * 9, 1);
  const std::vector<float> second = RandomFloats(20 * 9, 2);
  const std::vector<float> a = RandomFloats(9, 3);
  const CpuKernels& kernels = BestCpuKernels();
  PackedMatrix both(kernels, 25, 9);
  both.PackRows(0, first);
  both.PackRows(5, second);
  PackedMatrix only(kernels, 20, 9);
  only.PackRows(0, second);
  std::vector<float> c(25);
  std::vector<float> d(20);
  Multiply(both, a.data(), 1, c.data(), false);
  Multiply(only, a.data(), 1, d.data(), false);
  EXPECT_EQ(0, std::memcmp(c.data() + 5, d.data(), d.size() * sizeof(float)));
}

}  // namespace
}  // namespace operant
