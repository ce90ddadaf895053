#include "learner/run_recorder.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/failpoint.h"
#include "common/base/file_io.h"
#include "common/base/log.h"
#include "common/base/metric_families.h"
#include "common/base/status_macros.h"
#include "common/run/console_table.h"
#include "common/run/jsonl_writer.h"
#include "learner/learner_metrics.h"
#include "nlohmann/json.hpp"

namespace operant::learner {
namespace {

using nlohmann::json;
using Cell = ConsoleTable::Cell;

constexpr int kShownSamples = 3;
constexpr size_t kShownCharacters = 100;

std::vector<ConsoleTable::Column> Columns() {
  return {{"step", 5},   {"responses", 9}, {"score", 14},  {"haywire", 8},
          {"KL ref", 7}, {"KL upd", 7},    {"entropy", 7}, {"clip %", 6},
          {"len", 5},    {"trunc %", 7},   {"stale", 5},   {"grad", 6},
          {"resp/s", 7}, {"s/step", 6},    {"left", 7}};
}

template <typename... Args>
Cell Text(const absl::FormatSpec<Args...>& format, const Args&... args) {
  return {absl::StrFormat(format, args...)};
}

// Seconds until the run's limit, by whichever comes first.
double SecondsLeft(const StepReport& r, const v1::LearnerSection& learner) {
  double left = 1e18;
  if (learner.max_seconds() > 0)
    left = std::max(0.0, learner.max_seconds() - r.train_seconds);
  if (learner.steps() > 0 && r.step > 0) {
    const double per_step = r.train_seconds / static_cast<double>(r.step);
    left = std::min(left,
                    per_step * (learner.steps() - static_cast<double>(r.step)));
  }
  return left;
}

std::string ClockText(double seconds) {
  const auto whole = static_cast<int64_t>(seconds);
  return absl::StrFormat("%d:%02d", whole / 60, whole % 60);
}

std::vector<Cell> Cells(const StepReport& r, const v1::RunConfig& config) {
  const ExperienceStats& e = r.experience;
  const UpdateStats& u = r.update;
  const double truncated = e.responses > 0
                               ? 100.0 * static_cast<double>(e.truncated) /
                                     static_cast<double>(e.responses)
                               : 0;
  Cell step = Text("%d", r.step);
  if (u.skipped_steps > 0) step.style = TextStyle::kBad;
  return {
      step,
      Text("%d", r.responses),
      Text("%.3f ± %.3f", e.score.mean, e.score.deviation),
      Text("%.2f %%", 100 * r.haywire),
      Text("%.3f", e.reference_kl_per_response),
      Text("%.4f", u.update_kl_k3),
      Text("%.3f", e.entropy),
      Text("%.2f", 100 * (u.clip_low + u.clip_high)),
      Text("%.1f", e.mean_length),
      Text("%.2f", truncated),
      Text("%.1f", e.mean_staleness),
      Text("%.3f", u.gradient_norm),
      Text("%.0f", r.seconds.total > 0
                       ? static_cast<double>(r.step_responses) / r.seconds.total
                       : 0.0),
      Text("%.2f", r.seconds.total),
      {ClockText(SecondsLeft(r, config.learner())), TextStyle::kDim}};
}

// A response as one line of a terminal: control characters become spaces.
std::string OneLine(const std::string& text) {
  std::string line;
  for (char c : text) line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  if (line.size() <= kShownCharacters) return line;
  size_t end = kShownCharacters;
  while (end > 0 && (line[end] & 0xc0) == 0x80) --end;  // whole characters
  return line.substr(0, end) + "...";
}

void PrintSamples(const ScoredBatch& batch) {
  const size_t stride =
      std::max<size_t>(1, batch.trajectories.size() / kShownSamples);
  for (int i = 0; i < kShownSamples; ++i) {
    const size_t at = i * stride;
    if (at >= batch.trajectories.size()) return;
    std::printf("      %6.3f  %s%s\n", batch.scores[at].score,
                OneLine(batch.rows[at]->prompt).c_str(),
                OneLine(batch.responses[at]).c_str());
  }
}

// Bytes of the files below `folder`; what cannot be read counts nothing.
double TreeBytes(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  uintmax_t bytes = 0;
  for (fs::recursive_directory_iterator it(folder, error), end;
       !error && it != end; it.increment(error)) {
    std::error_code unreadable;
    if (!it->is_regular_file(unreadable)) continue;
    const uintmax_t size = it->file_size(unreadable);
    if (!unreadable) bytes += size;
  }
  return static_cast<double>(bytes);
}

template <typename T>
json ArrayOf(std::span<const T> values) {
  return json(std::vector<T>(values.begin(), values.end()));
}

// One full trajectory: text, ids, and what the learner computed per token.
// Row `row` of the experience is response `i` of the batch.
json SampleRow(const ScoredBatch& batch, size_t i, const Experience& e,
               int64_t row) {
  const v1::Trajectory& t = batch.trajectories[i];
  return {{"step", batch.step + 1},
          {"id", t.id()},
          {"prompt", batch.rows[i]->prompt},
          {"response", batch.responses[i]},
          {"finish", v1::FinishReason_Name(t.finish())},
          {"score", batch.scores[i].score},
          {"components", batch.scores[i].components},
          {"server", batch.scores[i].server},
          {"reward_attempts", batch.scores[i].attempts},
          {"reward_latency_seconds", batch.scores[i].latency_seconds},
          {"worker", t.worker_id()},
          {"staleness", e.staleness[row]},
          {"weight", e.weights[row]},
          {"prompt_token_ids", ArrayOf(e.Prompt(row))},
          {"response_token_ids", ArrayOf(e.Row(e.tokens, row))},
          {"sampler_logprobs", ArrayOf(e.Row(e.sampler_logp, row))},
          {"logprobs", ArrayOf(e.Row(e.old_logp, row))},
          {"reference_logprobs", ArrayOf(e.Row(e.ref_logp, row))},
          {"values", ArrayOf(e.Row(e.values, row))},
          {"advantages", ArrayOf(e.Row(e.advantages, row))},
          {"returns", ArrayOf(e.Row(e.returns, row))}};
}

// Leaves what the checkpoint knows of. A file that is shorter, after the loss
// of a disk or by hand, is cut by its rows' steps.
absl::Status CutSeries(const std::string& path, const TrainerState& state) {
  ASSIGN_OR_RETURN(const bool cut, CutJsonlAt(path, state.metrics_bytes));
  if (cut) return absl::OkStatus();
  LogWarning("metrics.jsonl is shorter than it was at the checkpoint",
             {{"path", path}, {"expected_bytes", state.metrics_bytes}});
  return CutJsonlAfterStep(path, static_cast<int64_t>(state.step));
}

class RunRecorderImpl final : public RunRecorder {
 public:
  RunRecorderImpl(const v1::RunConfig& config, const RunDirectory* directory,
                  MetricRegistry* metrics, std::unique_ptr<JsonlWriter> rows,
                  uint64_t responses)
      : config_(config),
        directory_(directory),
        metrics_(metrics),
        rows_(std::move(rows)),
        table_(Columns(), WantsColour(stdout)),
        responses_(responses) {}

  absl::Status Record(const StepReport& report, const ScoredBatch& batch,
                      const Experience* experience) override {
    ExportStep(report, batch, config_, metrics_);
    responses_ = report.responses;
    RETURN_IF_ERROR(Failpoint("metrics.append"));
    RETURN_IF_ERROR(rows_->Append(ToJsonRow(report)));
    std::fputs(table_.Row(Cells(report, config_)).c_str(), stdout);
    const uint32_t every = config_.log().samples_every_steps();
    if (every > 0 && report.step % every == 0) {
      PrintSamples(batch);
      if (experience != nullptr)
        RETURN_IF_ERROR(WriteSamples(report.step, batch, *experience));
    }
    std::fflush(stdout);
    return absl::OkStatus();
  }

  absl::Status RecordEvaluation(uint64_t step,
                                const EvaluationSummary& s) override {
    std::printf(
        "      held out: haywire %.3f %% [%.3f, %.3f] of %lld, KL %.2f\n",
        100 * s.rate, 100 * s.low, 100 * s.high,
        static_cast<long long>(s.responses), s.kl_per_response);
    std::fflush(stdout);
    return rows_->Append(json{
        {"step", step},
        {"responses", responses_},
        {"eval_rate", s.rate},
        {"eval_low", s.low},
        {"eval_high", s.high},
        {"eval_score_mean", s.mean_score},
        {"eval_kl_per_response",
         s.kl_per_response}}.dump());
  }

  absl::StatusOr<uint64_t> Sync() override {
    RETURN_IF_ERROR(Failpoint("metrics.sync"));
    RETURN_IF_ERROR(rows_->Sync());
    return rows_->Size();
  }

  void RecordCheckpoint(const absl::Status& written, const std::string& path,
                        absl::Duration took) override {
    if (written.ok()) return ExportCheckpoint(TreeBytes(path), took, metrics_);
    metrics_->Get(metric::kCheckpointFailuresTotal).Increment();
  }

 private:
  absl::Status WriteSamples(uint64_t step, const ScoredBatch& batch,
                            const Experience& experience) {
    absl::flat_hash_map<std::string, size_t> index;
    for (size_t i = 0; i < batch.trajectories.size(); ++i)
      index[batch.trajectories[i].id()] = i;
    std::string text;
    for (int64_t row = 0; row < experience.responses(); ++row) {
      const size_t i = index.at(experience.trajectory_ids[row]);
      absl::StrAppend(&text, SampleRow(batch, i, experience, row).dump(), "\n");
    }
    return WriteFileAtomically(
        directory_->samples_path(static_cast<int64_t>(step)), text);
  }

  const v1::RunConfig& config_;
  const RunDirectory* const directory_;
  MetricRegistry* const metrics_;
  std::unique_ptr<JsonlWriter> rows_;
  ConsoleTable table_;
  uint64_t responses_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RunRecorder>> RunRecorder::Create(
    const v1::RunConfig& config, const RunDirectory* directory,
    MetricRegistry* metrics, const TrainerState& state) {
  RETURN_IF_ERROR(CutSeries(directory->metrics_path(), state));
  ASSIGN_OR_RETURN(std::unique_ptr<JsonlWriter> rows,
                   JsonlWriter::Open(directory->metrics_path()));
  return std::make_unique<RunRecorderImpl>(config, directory, metrics,
                                           std::move(rows), state.responses);
}

}  // namespace operant::learner
