#include "learner/run_plot.h"

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/run/svg_plot.h"
#include "nlohmann/json.hpp"

namespace operant::learner {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxLineBytes = uint64_t{1} << 20;
constexpr char kSubtitle[] = "reinforcement on whole-response reward";
constexpr char kResponsesSeen[] = "responses seen";
constexpr char kKlTitle[] = "KL to the reference (nats per response)";

// What the rows of one metrics.jsonl say, against responses seen.
struct Curves {
  PlotSeries score{.name = "mean score"};
  PlotSeries haywire{.name = "training batch"};
  PlotSeries held_out_haywire{.name = "held out", .markers = true};
  PlotSeries held_out_score{.name = "held out", .markers = true};
  PlotSeries kl{.name = "KL"};
  PlotSeries entropy{.name = "entropy"};
  PlotSeries length{.name = "tokens"};
};

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

absl::StatusOr<Curves> ReadCurves(const std::string& metrics_path) {
  Curves curves;
  const auto add = [&](int64_t number, std::string_view line) -> absl::Status {
    const json row = json::parse(line, nullptr, false);
    if (!row.is_object()) {
      return absl::DataLossError(
          absl::StrCat(metrics_path, ":", number, ": not a JSON object"));
    }
    AddPoint(row, "score_mean", curves.score);
    AddPoint(row, "haywire", curves.haywire);
    AddInterval(row, curves.held_out_haywire);
    AddPoint(row, "eval_score_mean", curves.held_out_score);
    AddPoint(row, "reference_kl_per_response", curves.kl);
    AddPoint(row, "entropy", curves.entropy);
    AddPoint(row, "response_tokens_mean", curves.length);
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(ForEachLine(metrics_path, kMaxLineBytes, add));
  return curves;
}

// The scores that a run's closing report has from before and after it. A run
// that goes on has none yet.
absl::Status AddEnds(const std::string& result_path, PlotSeries& held_out) {
  const absl::StatusOr<std::string> text = ReadFile(result_path);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  RETURN_IF_ERROR(text.status());
  const json result = json::parse(*text, nullptr, false);
  const json raw = result.value("/raw/mean_score"_json_pointer, json());
  const json trained = result.value("/trained/mean_score"_json_pointer, json());
  if (raw.is_number()) {
    held_out.points.insert(held_out.points.begin(),
                           PlotPoint{.x = 0, .y = raw.get<double>()});
  }
  if (trained.is_number()) {
    held_out.points.push_back({.x = result.value("responses_trained", 0.0),
                               .y = trained.get<double>()});
  }
  return absl::OkStatus();
}

// `folder` without what leads to it.
std::string LastPart(std::string_view folder) {
  while (folder.size() > 1 && folder.back() == '/') folder.remove_suffix(1);
  return std::string(folder.substr(folder.rfind('/') + 1));
}

void Overlay(const std::string& name, PlotSeries series, PlotPanel& panel) {
  series.name = name;
  panel.series.push_back(std::move(series));
}

}  // namespace

absl::StatusOr<std::string> PlotRun(const std::string& title,
                                    const std::string& metrics_path) {
  ASSIGN_OR_RETURN(Curves curves, ReadCurves(metrics_path));
  Plot plot{.title = title, .subtitle = kSubtitle, .x_label = kResponsesSeen};
  plot.panels = {{.title = "mean score", .series = {std::move(curves.score)}},
                 {.title = "haywire responses",
                  .series = {std::move(curves.haywire),
                             std::move(curves.held_out_haywire)},
                  .scale = PlotAxis::Scale::kLog,
                  .percent = true},
                 {.title = kKlTitle, .series = {std::move(curves.kl)}},
                 {.title = "entropy (nats per token)",
                  .series = {std::move(curves.entropy)}}};
  return RenderSvg(plot);
}

absl::StatusOr<std::string> PlotRuns(const std::string& title,
                                     std::span<const std::string> folders) {
  Plot plot{.title = title, .subtitle = kSubtitle, .x_label = kResponsesSeen};
  plot.panels = {{.title = "mean score of each step"},
                 {.title = "mean score on held-out prompts"},
                 {.title = kKlTitle},
                 {.title = "tokens per response"}};
  for (const std::string& folder : folders) {
    ASSIGN_OR_RETURN(Curves curves,
                     ReadCurves(JoinPath(folder, "metrics.jsonl")));
    RETURN_IF_ERROR(
        AddEnds(JoinPath(folder, "result.json"), curves.held_out_score));
    const std::string name = LastPart(folder);
    Overlay(name, std::move(curves.score), plot.panels[0]);
    Overlay(name, std::move(curves.held_out_score), plot.panels[1]);
    Overlay(name, std::move(curves.kl), plot.panels[2]);
    Overlay(name, std::move(curves.length), plot.panels[3]);
  }
  return RenderSvg(plot);
}

}  // namespace operant::learner
