// A metric family as the catalogue (metrics.toml) declares it. The constants
// are generated: metric_families.h.
#ifndef OPERANT_COMMON_BASE_METRIC_FAMILY_H_
#define OPERANT_COMMON_BASE_METRIC_FAMILY_H_

#include <array>
#include <cstddef>
#include <span>

namespace operant {

// N label names, in the order in which their values are given.
template <size_t N>
struct CounterFamily {
  const char* name;
  const char* help;
  std::array<const char*, N> labels;
};

template <size_t N>
struct GaugeFamily {
  const char* name;
  const char* help;
  std::array<const char*, N> labels;
};

template <size_t N>
struct HistogramFamily {
  const char* name;
  const char* help;
  std::array<const char*, N> labels;
  std::span<const double> upper_bounds;
};

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_METRIC_FAMILY_H_
