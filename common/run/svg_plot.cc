#include "common/run/svg_plot.h"

#include <cmath>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace operant {
namespace {

// Lengths are in SVG user units (pixels at 100 %).
constexpr double kPanelWidth = 460;
constexpr double kPanelHeight = 260;
constexpr double kMarginLeft = 58;
constexpr double kMarginRight = 18;
constexpr double kMarginTop = 38;
constexpr double kMarginBottom = 40;
constexpr double kHeader = 62;
constexpr int kColumns = 2;
constexpr int kTicks = 5;

// Told apart by people with any colour vision, and in grey.
constexpr const char* kColours[] = {"#1f5fbf", "#d9691a", "#2a8a4a", "#8a3fa0"};

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      default:
        // XML 1.0 has no control characters.
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

std::string Text(double x, double y, const char* css_class,
                 std::string_view text) {
  return absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">%s</text>\n",
                         x, y, css_class, Escaped(text));
}

std::string Line(double x1, double y1, double x2, double y2,
                 const char* css_class) {
  return absl::StrFormat(
      "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n",
      x1, y1, x2, y2, css_class);
}

// Where a panel lies on the page, and its scales.
struct Frame {
  double left, top, right, bottom;
  PlotAxis x_axis, y_axis;

  double X(double x) const {
    return left + x_axis.Fraction(x) * (right - left);
  }
  double Y(double y) const {
    return bottom - y_axis.Fraction(y) * (bottom - top);
  }
};

std::vector<double> ValuesOfX(const Plot& plot) {
  std::vector<double> values;
  for (const PlotPanel& panel : plot.panels) {
    for (const PlotSeries& series : panel.series) {
      for (const PlotPoint& p : series.points) values.push_back(p.x);
    }
  }
  return values;
}

std::vector<double> ValuesOfY(const PlotPanel& panel) {
  std::vector<double> values;
  for (const PlotSeries& series : panel.series) {
    for (const PlotPoint& p : series.points) {
      values.insert(values.end(), {p.y, p.low, p.high});
    }
  }
  return values;
}

Frame FrameOf(const PlotPanel& panel, size_t index, const PlotAxis& x_axis) {
  const size_t column = index % kColumns;
  const size_t row = index / kColumns;
  const double left = static_cast<double>(column) * kPanelWidth;
  const double top = kHeader + static_cast<double>(row) * kPanelHeight;
  return Frame{.left = left + kMarginLeft,
               .top = top + kMarginTop,
               .right = left + kPanelWidth - kMarginRight,
               .bottom = top + kPanelHeight - kMarginBottom,
               .x_axis = x_axis,
               .y_axis = MakeAxis(ValuesOfY(panel), panel.scale, kTicks)};
}

std::string Axes(const Frame& f, const PlotPanel& panel,
                 const std::string& x_label) {
  std::string out = Text(f.left, f.top - 14, "panel", panel.title);
  for (const double tick : f.y_axis.ticks) {
    out += Line(f.left, f.Y(tick), f.right, f.Y(tick), "grid");
    out += Text(f.left - 8, f.Y(tick) + 4, "ytick",
                TickLabel(tick, panel.percent));
  }
  for (const double tick : f.x_axis.ticks) {
    out += Line(f.X(tick), f.bottom, f.X(tick), f.bottom + 4, "axis");
    out += Text(f.X(tick), f.bottom + 17, "xtick", TickLabel(tick, false));
  }
  out += Line(f.left, f.bottom, f.right, f.bottom, "axis");
  return out + Text((f.left + f.right) / 2, f.bottom + 33, "xlabel", x_label);
}

// One polyline for each run of finite values.
std::string Lines(const Frame& f, const PlotSeries& series,
                  const char* colour) {
  std::string out;
  std::string points;
  const auto flush = [&] {
    if (!points.empty()) {
      absl::StrAppend(&out, "<polyline class=\"line\" stroke=\"", colour,
                      "\" points=\"", points, "\"/>\n");
    }
    points.clear();
  };
  for (const PlotPoint& p : series.points) {
    if (!std::isfinite(p.x) || !std::isfinite(p.y)) {
      flush();
      continue;
    }
    absl::StrAppendFormat(&points, "%.1f,%.1f ", f.X(p.x), f.Y(p.y));
  }
  flush();
  return out;
}

std::string Marks(const Frame& f, const PlotSeries& series,
                  const char* colour) {
  std::string out;
  for (const PlotPoint& p : series.points) {
    if (!std::isfinite(p.x) || !std::isfinite(p.y)) continue;
    if (std::isfinite(p.low) && std::isfinite(p.high)) {
      absl::StrAppendFormat(
          &out, "<path class=\"line\" stroke=\"%s\" d=\"M%.1f %.1fV%.1f\"/>\n",
          colour, f.X(p.x), f.Y(p.low), f.Y(p.high));
    }
    if (series.markers) {
      absl::StrAppendFormat(
          &out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n",
          f.X(p.x), f.Y(p.y), colour);
    }
  }
  return out;
}

std::string Legend(const Frame& f, const PlotPanel& panel) {
  if (panel.series.size() < 2) return "";
  std::string out;
  double y = f.top + 4;
  for (size_t i = 0; i < panel.series.size(); ++i, y += 15) {
    absl::StrAppendFormat(&out,
                          "<text x=\"%.1f\" y=\"%.1f\" class=\"legend\" "
                          "style=\"fill:%s\">%s</text>\n",
                          f.right, y, kColours[i % std::size(kColours)],
                          Escaped(panel.series[i].name));
  }
  return out;
}

std::string Panel(const Frame& f, const PlotPanel& panel,
                  const std::string& x_label) {
  std::string out = Axes(f, panel, x_label);
  for (size_t i = 0; i < panel.series.size(); ++i) {
    const char* colour = kColours[i % std::size(kColours)];
    out += Lines(f, panel.series[i], colour);
    out += Marks(f, panel.series[i], colour);
  }
  return out + Legend(f, panel);
}

constexpr const char* kStyle =
    "<style>\n"
    "text{font-family:system-ui,'DejaVu Sans',Helvetica,Arial,sans-serif;"
    "font-size:11px;fill:#555}\n"
    ".title{font-size:18px;font-weight:600;fill:#222}\n"
    ".subtitle{font-size:12px}\n"
    ".panel{font-size:13px;font-weight:600;fill:#222}\n"
    ".xtick,.xlabel{text-anchor:middle}\n"
    ".ytick{text-anchor:end}\n"
    ".legend{text-anchor:end;font-weight:600;paint-order:stroke;stroke:#fff;"
    "stroke-width:3px}\n"
    ".grid{stroke:#e6e6e6;stroke-width:1}\n"
    ".axis{stroke:#888;stroke-width:1}\n"
    ".line{fill:none;stroke-width:1.6;stroke-linejoin:round}\n"
    "</style>\n";

}  // namespace

std::string RenderSvg(const Plot& plot) {
  const size_t rows = (plot.panels.size() + kColumns - 1) / kColumns;
  const double width = kPanelWidth * kColumns;
  const double height = kHeader + kPanelHeight * static_cast<double>(rows) + 8;
  std::string out = absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" "
      "height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">\n",
      width, height, width, height);
  absl::StrAppend(&out, kStyle,
                  "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
                  Text(20, 30, "title", plot.title),
                  Text(20, 50, "subtitle", plot.subtitle));
  const PlotAxis x_axis =
      MakeAxis(ValuesOfX(plot), PlotAxis::Scale::kLinear, kTicks);
  for (size_t i = 0; i < plot.panels.size(); ++i) {
    const Frame frame = FrameOf(plot.panels[i], i, x_axis);
    out += Panel(frame, plot.panels[i], plot.x_label);
  }
  return out + "</svg>\n";
}

}  // namespace operant
