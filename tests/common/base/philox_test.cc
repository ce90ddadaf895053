#include "common/base/philox.h"

#include <cmath>
#include <set>
#include <vector>

#include "gtest/gtest.h"

namespace operant {
namespace {

// Known answers published with Random123 (kat_vectors, philox4x32, 10 rounds).
TEST(PhiloxTest, GivesTheKnownAnswers) {
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const uint32_t ones = 0xffffffff;
  EXPECT_EQ(Philox4x32({ones, ones, ones, ones}, {ones, ones}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                       {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(PhiloxTest, UniformsStayInsideTheOpenInterval) {
  for (uint32_t position = 0; position < 100000; ++position) {
    const float u = SampleUniform({1, 2, 3}, position);
    ASSERT_GT(u, 0.0f);
    ASSERT_LT(u, 1.0f);
  }
  // The extreme draws, which no loop is likely to meet.
  EXPECT_GT((0.0f + 0.5f) * 0x1p-23f, 0.0f);
  EXPECT_LT((0x1p23f - 1 + 0.5f) * 0x1p-23f, 1.0f);
}

TEST(PhiloxTest, UniformsAreUniform) {
  constexpr int kDraws = 100000;
  constexpr int kBins = 100;
  std::vector<int> bins(kBins);
  for (int i = 0; i < kDraws; ++i) {
    const SampleKey key = {.run_seed = 7,
                           .prompt_cursor = static_cast<uint64_t>(i / 64),
                           .sample_index = static_cast<uint32_t>(i % 8)};
    ++bins[static_cast<int>(SampleUniform(key, i / 8 % 8) * kBins)];
  }
  double chi2 = 0;
  constexpr double kExpected = kDraws / kBins;
  for (const int n : bins)
    chi2 += (n - kExpected) * (n - kExpected) / kExpected;
  // Chi-squared of 99 degrees: mean 99, deviation 14; the seed is fixed.
  EXPECT_LT(chi2, 99 + 5 * 14);
}

TEST(PhiloxTest, EachPartOfTheKeyChangesTheDraw) {
  const SampleKey key = {5, 6, 7};
  const float base = SampleUniform(key, 8);
  EXPECT_EQ(SampleUniform(key, 8), base);
  EXPECT_NE(SampleUniform(key, 9), base);
  EXPECT_NE(SampleUniform({5, 6, 8}, 8), base);
  EXPECT_NE(SampleUniform({5, 7, 7}, 8), base);
  EXPECT_NE(SampleUniform({6, 6, 7}, 8), base);
  EXPECT_NE(SampleUniform({5 + (uint64_t{1} << 32), 6, 7}, 8), base);
  EXPECT_NE(SampleUniform({5, 6 + (uint64_t{1} << 32), 7}, 8), base);
}

TEST(PhiloxTest, IntegerStreamsAndIndicesDiffer) {
  std::set<uint64_t> seen;
  for (uint64_t stream = 0; stream < 10; ++stream) {
    for (uint64_t index = 0; index < 100; ++index) {
      seen.insert(PhiloxUint64(1, stream, index));
      seen.insert(PhiloxUint64(1, stream << 40, index << 40));
    }
  }
  // (0, 0) is met twice.
  EXPECT_EQ(seen.size(), 2u * 10 * 100 - 1);
}

// The counter of an integer draw has its top bit set, that of a sampling draw
// has it clear: the same words otherwise must not give the same bits.
TEST(PhiloxTest, IntegersDoNotShareCountersWithSampling) {
  const PhiloxCounter sampling = Philox4x32({3, 0, 4, 5}, {1, 0});
  const uint64_t integer = PhiloxUint64(1, (uint64_t{5} << 32) | 4, 3);
  EXPECT_NE(static_cast<uint32_t>(integer), sampling[0]);
  const PhiloxCounter own = Philox4x32({3, 0, 4, 0x80000005}, {1, 0});
  EXPECT_EQ(integer, (uint64_t{own[1]} << 32) | own[0]);
}

}  // namespace
}  // namespace operant
