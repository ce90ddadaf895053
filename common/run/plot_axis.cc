#include "common/run/plot_axis.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace operant {
namespace {

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
};

Range RangeOf(const std::vector<double>& values, bool positive_only) {
  Range range;
  for (const double v : values) {
    if (!std::isfinite(v) || (positive_only && v <= 0)) continue;
    range.low = std::min(range.low, v);
    range.high = std::max(range.high, v);
  }
  if (range.low > range.high) return {positive_only ? 0.1 : 0.0, 1.0};
  return range;
}

// The smallest of 1, 2, 2.5, 5, 10 times a power of ten that is >= `step`.
double RoundStep(double step) {
  const double power = std::pow(10, std::floor(std::log10(step)));
  for (const double factor : {1.0, 2.0, 2.5, 5.0}) {
    if (factor * power >= step * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

PlotAxis LinearAxis(Range range, int tick_count) {
  if (range.high - range.low < 1e-12) {
    const double margin = std::max(std::abs(range.low) * 0.1, 1e-6);
    range = {range.low - margin, range.high + margin};
  }
  const double step = RoundStep((range.high - range.low) / tick_count);
  PlotAxis axis;
  axis.low = std::floor(range.low / step + 1e-9) * step;
  axis.high = std::ceil(range.high / step - 1e-9) * step;
  const int count =
      static_cast<int>(std::lround((axis.high - axis.low) / step));
  for (int i = 0; i <= count; ++i) axis.ticks.push_back(axis.low + i * step);
  return axis;
}

PlotAxis LogAxis(const Range& range) {
  const int first = static_cast<int>(std::floor(std::log10(range.low) + 1e-9));
  const int last = std::max(
      first + 1, static_cast<int>(std::ceil(std::log10(range.high) - 1e-9)));
  PlotAxis axis{.scale = PlotAxis::Scale::kLog,
                .low = std::pow(10, first),
                .high = std::pow(10, last),
                .ticks = {}};
  for (int i = first; i <= last; ++i) axis.ticks.push_back(std::pow(10, i));
  return axis;
}

}  // namespace

double PlotAxis::Fraction(double value) const {
  const double fraction =
      scale == Scale::kLog
          ? std::log(std::max(value, low) / low) / std::log(high / low)
          : (value - low) / (high - low);
  return std::clamp(fraction, 0.0, 1.0);
}

PlotAxis MakeAxis(const std::vector<double>& values, PlotAxis::Scale scale,
                  int tick_count) {
  const bool is_log = scale == PlotAxis::Scale::kLog;
  const Range range = RangeOf(values, is_log);
  return is_log ? LogAxis(range) : LinearAxis(range, tick_count);
}

std::string TickLabel(double value, bool percent) {
  if (percent) return absl::StrFormat("%.4g%%", value * 100);
  if (std::abs(value) < 1e-12) return "0";
  for (const auto& [unit, suffix] :
       {std::pair{1e9, "G"}, {1e6, "M"}, {1e3, "k"}}) {
    if (std::abs(value) >= unit) {
      return absl::StrFormat("%.4g%s", value / unit, suffix);
    }
  }
  return absl::StrFormat("%.4g", value);
}

}  // namespace operant
