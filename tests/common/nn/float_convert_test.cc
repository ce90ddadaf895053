#include "common/nn/float_convert.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "gtest/gtest.h"

namespace operant {
namespace {

TEST(FloatConvertTest, EveryF16SurvivesARoundTrip) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = FromF16(static_cast<uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(FromF16(ToF16(value))));
    } else {
      ASSERT_EQ(ToF16(value), bits);
    }
  }
}

TEST(FloatConvertTest, EveryBf16SurvivesARoundTrip) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = FromBf16(static_cast<uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(FromBf16(ToBf16(value))));
    } else {
      ASSERT_EQ(ToBf16(value), bits);
    }
  }
}

TEST(FloatConvertTest, KnownF16Values) {
  EXPECT_EQ(ToF16(1.0F), 0x3C00);
  EXPECT_EQ(ToF16(-2.0F), 0xC000);
  EXPECT_EQ(ToF16(65504.0F), 0x7BFF);
  EXPECT_EQ(FromF16(0x0001), std::ldexp(1.0F, -24));
  EXPECT_EQ(FromF16(0x0400), std::ldexp(1.0F, -14));
}

TEST(FloatConvertTest, RoundsToNearestAndTiesToEven) {
  // 1 + 2^-11 lies between 1 (even) and 1 + 2^-10; 1 + 3 * 2^-11 between 1 +
  // 2^-10 (odd) and 1 + 2^-9.
  EXPECT_EQ(ToF16(1 + std::ldexp(1.0F, -11)), 0x3C00);
  EXPECT_EQ(ToF16(1 + 3 * std::ldexp(1.0F, -11)), 0x3C02);
  EXPECT_EQ(ToBf16(std::bit_cast<float>(0x3F808000U)), 0x3F80);
  EXPECT_EQ(ToBf16(std::bit_cast<float>(0x3F818000U)), 0x3F82);
  EXPECT_EQ(ToF16(std::ldexp(1.0F, -25)), 0) << "half of the smallest";
  EXPECT_EQ(ToF16(std::ldexp(1.5F, -25)), 1);
}

TEST(FloatConvertTest, WhatIsTooLargeForF16BecomesInfinity) {
  EXPECT_EQ(ToF16(65519.0F), 0x7BFF);
  EXPECT_EQ(ToF16(65520.0F), 0x7C00);
  EXPECT_EQ(ToF16(-1e30F), 0xFC00);
  EXPECT_EQ(ToF16(std::numeric_limits<float>::infinity()), 0x7C00);
}

}  // namespace
}  // namespace operant
