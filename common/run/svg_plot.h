// A page of small line plots as SVG: no library, no font files, readable in any
// browser.
#ifndef OPERANT_COMMON_RUN_SVG_PLOT_H_
#define OPERANT_COMMON_RUN_SVG_PLOT_H_

#include <limits>
#include <string>
#include <vector>

#include "common/run/plot_axis.h"

namespace operant {

struct PlotPoint {
  double x = 0;
  double y = 0;  // non-finite: a gap in the line
  // An interval around y, drawn as a bar where both are finite.
  double low = std::numeric_limits<double>::quiet_NaN();
  double high = std::numeric_limits<double>::quiet_NaN();
};

struct PlotSeries {
  std::string name;               // shown when a panel has several
  std::vector<PlotPoint> points;  // ascending x
  bool markers = false;           // a dot at each point
};

struct PlotPanel {
  std::string title;
  std::vector<PlotSeries> series;
  PlotAxis::Scale scale = PlotAxis::Scale::kLinear;
  bool percent = false;  // y is a share: 0.1 is labelled 10%
};

struct Plot {
  std::string title;
  std::string subtitle;
  std::string x_label;            // all panels share the meaning and range of x
  std::vector<PlotPanel> panels;  // two a row
};

// A complete, well-formed SVG document. On a log scale, values not above 0 lie
// on the bottom line.
std::string RenderSvg(const Plot& plot);

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_SVG_PLOT_H_
