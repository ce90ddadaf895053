#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/run/svg_plot.h"
#include "learner/closing_report.h"
#include "nlohmann/json.hpp"

namespace operant::learner {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxLineBytes = uint64_t{1} << 20;

// Adds y of `row` to `series`, at the responses seen; rows without it are
// passed over.
void AddPoint(const json& row, const char* key, PlotSeries& series) {
  auto y = row.find(key);
  auto x = row.find("responses");
  if (y == row.end() || x == row.end() || !y->is_number()) return;
  series.points.push_back({.x = x->get<double>(), .y = y->get<double>()});
}

// A point with its interval, of an evaluation's row.
void AddInterval(const json& row, PlotSeries& series) {
  if (!row.contains("eval_rate") || !row.contains("responses")) return;
  series.points.push_back({.x = row["responses"].get<double>(),
                           .y = row["eval_rate"].get<double>(),
                           .low = row.value("eval_low", 0.0),
                           .high = row.value("eval_high", 1.0)});
}

}  // namespace

absl::StatusOr<std::string> PlotRun(const std::string& title,
                                    const std::string& metrics_path) {
  PlotSeries score{.name = "mean score"};
  PlotSeries haywire{.name = "training batch"};
  PlotSeries held_out{.name = "held out", .markers = true};
  PlotSeries kl{.name = "KL"};
  PlotSeries entropy{.name = "entropy"};
  RETURN_IF_ERROR(
      ForEachLine(metrics_path, kMaxLineBytes,
                  [&](int64_t number, std::string_view line) -> absl::Status {
                    const json row = json::parse(line, nullptr, false);
                    if (!row.is_object()) {
                      return absl::DataLossError(absl::StrCat(
                          metrics_path, ":", number, ": not a JSON object"));
                    }
                    AddPoint(row, "score_mean", score);
                    AddPoint(row, "haywire", haywire);
                    AddInterval(row, held_out);
                    AddPoint(row, "reference_kl_per_response", kl);
                    AddPoint(row, "entropy", entropy);
                    return absl::OkStatus();
                  }));
  Plot plot{.title = title,
            .subtitle = "reinforcement on whole-response reward",
            .x_label = "responses seen"};
  plot.panels.push_back({.title = "mean score", .series = {std::move(score)}});
  plot.panels.push_back({.title = "haywire responses",
                         .series = {std::move(haywire), std::move(held_out)},
                         .scale = PlotAxis::Scale::kLog,
                         .percent = true});
  plot.panels.push_back({.title = "KL to the reference (nats per response)",
                         .series = {std::move(kl)}});
  plot.panels.push_back(
      {.title = "entropy (nats per token)", .series = {std::move(entropy)}});
  return RenderSvg(plot);
}

}  // namespace operant::learner
