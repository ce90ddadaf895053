#include "common/nn/rotary_table.h"

#include <cmath>

namespace operant {

RotaryTable::RotaryTable(const ModelConfig& config, int64_t positions)
    : half_(config.head_dim / 2) {
  for (int64_t i = 0; i < half_; ++i) {
    const double exponent =
        2.0 * static_cast<double>(i) / static_cast<double>(config.head_dim);
    frequencies_.push_back(
        static_cast<float>(1.0 / std::pow(config.rope_theta, exponent)));
  }
  Grow(positions);
}

void RotaryTable::Grow(int64_t positions) {
  for (; positions_ < positions; ++positions_) {
    for (const float frequency : frequencies_) {
      const float angle = static_cast<float>(positions_) * frequency;
      cos_.push_back(static_cast<float>(std::cos(static_cast<double>(angle))));
      sin_.push_back(static_cast<float>(std::sin(static_cast<double>(angle))));
    }
  }
}

}  // namespace operant
