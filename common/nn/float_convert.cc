#include "common/nn/float_convert.h"

#include <bit>
#include <cmath>

namespace operant {
namespace {

// 2^-14, the smallest normal F16, and 2^-24, the unit of its subnormals.
constexpr float kF16SmallestNormal = 0x1p-14F;
constexpr float kF16Subnormal = 0x1p-24F;
constexpr float kF16Overflow = 65520;  // halfway between 65504 and 2^16

}  // namespace

float FromBf16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

uint16_t ToBf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

float FromF16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1F;
  const uint32_t fraction = bits & 0x3FF;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * kF16Subnormal;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
  // 112 moves the bias from 15 to 127; 31 marks infinity and NaN, as 255 does.
  const uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | (wide << 23) | (fraction << 13));
}

uint16_t ToF16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) return sign | 0x7E00;
  if (magnitude >= kF16Overflow) return sign | 0x7C00;
  if (magnitude < kF16SmallestNormal) {
    // nearbyint rounds ties to even in the default mode.
    return sign |
           static_cast<uint16_t>(std::nearbyint(magnitude / kF16Subnormal));
  }
  const uint32_t rounded = bits + 0xFFF + ((bits >> 13) & 1);
  return sign |
         static_cast<uint16_t>(((rounded & 0x7FFFFFFF) >> 13) - (112 << 10));
}

}  // namespace operant
