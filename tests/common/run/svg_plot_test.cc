#include "common/run/svg_plot.h"

#include <cmath>
#include <limits>
#include <stack>

#include "common/run/console_table.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Whether every tag is closed in order and no text holds a bare '<'.
bool IsWellFormedXml(const std::string& xml) {
  std::stack<std::string> open;
  for (size_t at = xml.find('<'); at != std::string::npos;
       at = xml.find('<', at + 1)) {
    const size_t end = xml.find('>', at);
    if (end == std::string::npos || xml.find('<', at + 1) < end) return false;
    const std::string tag = xml.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(0, tag.find(' '));
    if (name[0] == '/') {
      if (open.empty() || open.top() != name.substr(1)) return false;
      open.pop();
    } else if (tag.back() != '/') {
      open.push(name);
    }
  }
  return open.empty();
}

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos;
       at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

TEST(SvgPlotTest, IsWellFormedWhateverTheText) {
  Plot plot{.title = "a < b & c",
            .subtitle = "\x01 > 0",
            .x_label = "responses",
            .panels = {{.title = "<reward>",
                        .series = {{.name = "r", .points = {{0, 1}, {1, 2}}},
                                   {.name = "&", .points = {}}}},
                       {.title = "empty", .series = {}}}};
  const std::string svg = RenderSvg(plot);
  EXPECT_TRUE(IsWellFormedXml(svg)) << svg;
  EXPECT_NE(svg.find("a &lt; b &amp; c"), std::string::npos);
}

TEST(SvgPlotTest, BreaksTheLineAtANonFiniteValue) {
  const Plot plot{
      .panels = {
          {.series = {
               {.points = {{0, 1}, {1, 2}, {2, kNan}, {3, 2}, {4, 1}}}}}}};
  const std::string svg = RenderSvg(plot);
  EXPECT_EQ(Count(svg, "<polyline"), 2u);
  EXPECT_EQ(Count(svg, "nan"), 0u);
}

TEST(PlotAxisTest, TicksAreRoundAndCoverTheValues) {
  const PlotAxis axis =
      MakeAxis({0.13, 0.87, kNan}, PlotAxis::Scale::kLinear, 5);
  EXPECT_NEAR(axis.low, 0, 1e-12);
  EXPECT_NEAR(axis.high, 1, 1e-12);
  ASSERT_EQ(axis.ticks.size(), 6u);
  EXPECT_NEAR(axis.ticks[1], 0.2, 1e-12);
}

TEST(PlotAxisTest, LogAxisCoversWholeDecadesAndCutsZeroToTheBottom) {
  const PlotAxis axis = MakeAxis({0.12, 0.0015, 0}, PlotAxis::Scale::kLog, 5);
  EXPECT_NEAR(axis.low, 1e-3, 1e-12);
  EXPECT_NEAR(axis.high, 1, 1e-9);
  EXPECT_EQ(axis.Fraction(0), 0);
  EXPECT_NEAR(axis.Fraction(0.1), 2.0 / 3, 1e-9);
}

TEST(PlotAxisTest, ConstantValuesGetARange) {
  const PlotAxis axis = MakeAxis({2, 2}, PlotAxis::Scale::kLinear, 5);
  EXPECT_LT(axis.low, 2);
  EXPECT_GT(axis.high, 2);
}

TEST(PlotAxisTest, LabelsAreShort) {
  EXPECT_EQ(TickLabel(0, false), "0");
  EXPECT_EQ(TickLabel(1500, false), "1.5k");
  EXPECT_EQ(TickLabel(250000, false), "250k");
  EXPECT_EQ(TickLabel(0.001, true), "0.1%");
}

TEST(ConsoleTableTest, AlignsColumnsUnderARepeatedHeader) {
  ConsoleTable table({{"step", 4}, {"reward ± std", 5}}, /*colour=*/false,
                     /*rows_per_header=*/2);
  EXPECT_EQ(table.Row({{"1"}, {"0.5"}}),
            "step  reward ± std\n   1           0.5\n");
  EXPECT_EQ(table.Row({{"2"}}), "   2              \n");
  EXPECT_EQ(table.Row({{"3"}, {"é"}}),
            "step  reward ± std\n   3             é\n");
}

TEST(ConsoleTableTest, ColoursOnlyWhereAsked) {
  EXPECT_EQ(Styled("x", TextStyle::kBad, /*colour=*/false), "x");
  EXPECT_EQ(Styled("x", TextStyle::kBad, /*colour=*/true), "\033[31mx\033[0m");
}

}  // namespace
}  // namespace operant
