#include "common/run/top_view.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/run/console_table.h"

namespace operant {
namespace {

constexpr size_t kSparkPoints = 32;
constexpr const char* kBars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr int kStageBar = 40;
constexpr const char* kStages[] = {"wait_batch", "experience", "update",
                                   "publish",    "checkpoint", "evaluation"};

// "-" for what is not exported yet.
std::string Number(std::optional<double> value, int digits = 3) {
  return value.has_value() ? absl::StrFormat("%.*f", digits, *value) : "-";
}

std::string Ago(double seconds) {
  if (seconds < 120) return absl::StrFormat("%.0f s", seconds);
  if (seconds < 7200) return absl::StrFormat("%.0f min", seconds / 60);
  return absl::StrFormat("%.1f h", seconds / 3600);
}

// `text` cut to `columns` characters; escape sequences take no room.
std::string Cut(const std::string& text, int columns) {
  std::string line;
  int width = 0;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '\033') {
      const size_t end = text.find('m', i);
      if (end == std::string::npos) break;
      line.append(text, i, end + 1 - i);
      i = end + 1;
      continue;
    }
    size_t next = i + 1;
    while (next < text.size() && (text[next] & 0xc0) == 0x80) ++next;
    if (++width <= columns) line.append(text, i, next - i);
    i = next;
  }
  return line;
}

const ProcessPage* FindRole(const std::vector<ProcessPage>& pages,
                            const std::string& role) {
  for (const ProcessPage& p : pages) {
    if (p.target.role == role && p.error.empty()) return &p;
  }
  return nullptr;
}

}  // namespace

void TopView::Remember(const char* series, std::optional<double> value) {
  if (!value.has_value() || !std::isfinite(*value)) return;
  std::deque<double>& points = series_[series];
  points.push_back(*value);
  if (points.size() > kSparkPoints) points.pop_front();
}

std::string TopView::Spark(const char* series) const {
  const auto found = series_.find(series);
  if (found == series_.end()) return "";
  const auto [low, high] =
      std::minmax_element(found->second.begin(), found->second.end());
  std::string line;
  for (const double point : found->second) {
    const double share = *high > *low ? (point - *low) / (*high - *low) : 0;
    line += kBars[std::min(7, static_cast<int>(share * 8))];
  }
  return line;
}

double TopView::Rate(const ProcessPage& process, const std::string& name,
                     const MetricLabels& labels) {
  std::string key = absl::StrCat(process.target.address, " ", name);
  for (const auto& [label, value] : labels) absl::StrAppend(&key, " ", value);
  const double value = process.page.Sum(name, labels);
  const auto before = counters_.find(key);
  const bool known = before != counters_.end() && before->second <= value;
  const double rate =
      known && seconds_ > 0 ? (value - before->second) / seconds_ : 0;
  counters_[key] = value;
  return rate;
}

// How the learner's time was spent since the last frame.
std::string TopView::Stages(const ProcessPage& learner) {
  double total = 0;
  std::map<std::string, double> spent;
  for (const char* stage : kStages) {
    spent[stage] = Rate(learner, "operant_learner_stage_duration_seconds_sum",
                        {{"stage", stage}});
    total += spent[stage];
  }
  if (total <= 0) return "  stages     (no step finished since the last look)";
  std::string line = "  stages     ";
  for (const char* stage : kStages) {
    const double share = spent[stage] / total;
    if (share < 0.005) continue;
    absl::StrAppend(&line, stage, " ");
    for (int i = 0; i < std::lround(share * kStageBar); ++i) line += "█";
    absl::StrAppend(&line, absl::StrFormat(" %.0f%%  ", 100 * share));
  }
  return line;
}

std::vector<std::string> TopView::LearnerLines(const ProcessPage& learner) {
  const MetricsPage& m = learner.page;
  const auto score = m.Find("operant_learner_reward_mean");
  const auto kl = m.Find("operant_learner_reference_kl_nats",
                         {{"estimator", "k1"}, {"per", "sequence"}});
  const auto faulty = m.Find("operant_learner_faulty_response_ratio");
  const auto entropy =
      m.Find("operant_learner_entropy_nats", {{"at", "rollout"}});
  Remember("score", score);
  Remember("kl", kl);
  Remember("faulty", faulty);
  Remember("entropy", entropy);
  auto figure = [this](const char* name, const std::string& value,
                       const char* series) {
    return absl::StrFormat("  %-10s %-18s %s", name, value, Spark(series));
  };
  const std::string spread = absl::StrCat(
      Number(score), " ± ", Number(m.Find("operant_learner_reward_stddev")));
  auto buffered = [&m](const char* state) {
    return m.Find("operant_buffer_samples", {{"state", state}}).value_or(0);
  };
  return {
      figure("score", spread, "score"),
      figure("KL ref", Number(kl) + " nats", "kl"),
      figure("faulty", Number(faulty, 4), "faulty"),
      figure("entropy", Number(entropy) + " nats", "entropy"),
      Stages(learner),
      absl::StrFormat(
          "  tokens     %.0f/s trained on; samples %.0f at workers, %.0f "
          "awaiting reward, %.0f ready",
          Rate(learner, "operant_learner_tokens_total", {{"kind", "response"}}),
          buffered("leased"), buffered("awaiting_reward"), buffered("ready")),
  };
}

std::string TopView::ProcessLine(const ProcessPage& process,
                                 const MetricsPage* run, absl::Time now) {
  const ScrapeTarget& target = process.target;
  std::string line =
      absl::StrFormat("  %-12s %-21s ", target.process, target.address);
  if (!process.error.empty())
    return line + Styled(process.error, TextStyle::kBad, colour_);
  const MetricsPage& m = process.page;
  const double up = UnixSeconds(now) - m.Sum("process_start_time_seconds");
  absl::StrAppendFormat(&line, "up %-8s cpu %3.0f%%  rss %6.0f MiB", Ago(up),
                        100 * Rate(process, "process_cpu_seconds_total"),
                        m.Sum("process_resident_memory_bytes") / (1 << 20));
  if (target.role != "rollout") return line;
  const auto version = m.Find("operant_weights_serving_version");
  const double published =
      run == nullptr
          ? 0
          : run->Find("operant_weights_published_version").value_or(0);
  const bool behind = version.has_value() && *version + 1 < published;
  absl::StrAppend(
      &line, "  ",
      Styled(absl::StrCat("version ", Number(version, 0)),
             behind ? TextStyle::kBad : TextStyle::kPlain, colour_));
  absl::StrAppendFormat(
      &line, "  running %.0f waiting %.0f  %.0f tokens/s",
      m.Sum("operant_rollout_running_sequences"),
      m.Sum("operant_rollout_waiting_sequences"),
      Rate(process, "operant_rollout_tokens_total", {{"kind", "generated"}}));
  return line;
}

std::string TopView::Render(const std::vector<ProcessPage>& pages,
                            absl::Time now, int columns) {
  seconds_ =
      last_ == absl::InfinitePast() ? 0 : absl::ToDoubleSeconds(now - last_);
  last_ = now;
  const ProcessPage* learner = FindRole(pages, "learner");
  std::vector<std::string> lines;
  if (learner == nullptr) {
    lines.push_back(Styled("no learner answers", TextStyle::kBad, colour_));
  } else {
    const MetricsPage& m = learner->page;
    const double last_step =
        UnixSeconds(now) - m.Sum("operant_learner_last_step_timestamp_seconds");
    lines.push_back(Styled(
        absl::StrFormat("step %.0f  version %s  last step %s ago",
                        m.Sum("operant_learner_steps_total"),
                        Number(m.Find("operant_weights_published_version"), 0),
                        Ago(last_step)),
        TextStyle::kBold, colour_));
    for (std::string& line : LearnerLines(*learner))
      lines.push_back(std::move(line));
  }
  lines.push_back("");
  for (const ProcessPage& process : pages) {
    lines.push_back(ProcessLine(
        process, learner == nullptr ? nullptr : &learner->page, now));
  }
  std::string screen;
  for (const std::string& line : lines)
    absl::StrAppend(&screen, Cut(line, columns), "\n");
  return screen;
}

}  // namespace operant
