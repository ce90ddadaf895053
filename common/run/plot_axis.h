// The scale of one axis of a plot: its range, its ticks, their labels.
#ifndef OPERANT_COMMON_RUN_PLOT_AXIS_H_
#define OPERANT_COMMON_RUN_PLOT_AXIS_H_

#include <string>
#include <vector>

namespace operant {

struct PlotAxis {
  enum class Scale { kLinear, kLog };
  Scale scale = Scale::kLinear;
  double low = 0;
  double high = 1;            // > low
  std::vector<double> ticks;  // ascending, within [low, high]

  // Where `value` lies: 0 at `low`, 1 at `high`; cut to that range.
  double Fraction(double value) const;
};

// An axis that covers `values` (non-finite ones, and with kLog those not
// above 0, are left out) with about `tick_count` round ticks. A log axis covers
// whole decades.
PlotAxis MakeAxis(const std::vector<double>& values, PlotAxis::Scale scale,
                  int tick_count);

// A short label: 0.25, 1.5k, 2M; "12%" if `percent`.
std::string TickLabel(double value, bool percent);

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_PLOT_AXIS_H_
