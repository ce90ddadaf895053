#include "learner/closing_report.h"

#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/run/process_stats.h"
#include "learner/run_plot.h"
#include "nlohmann/json.hpp"

namespace operant::learner {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxLineBytes = uint64_t{16} << 20;
constexpr int kExamples = 10;

json ToObject(const EvaluatedResponse& r) {
  return {{"prompt", r.prompt},
          {"response", r.response},
          {"finish", v1::FinishReason_Name(r.finish)},
          {"tokens", r.tokens},
          {"scored", r.scored},
          {"score", r.score},
          {"faults", r.faults},
          {"kl", r.kl}};
}

EvaluatedResponse FromObject(const json& row) {
  EvaluatedResponse r;
  r.prompt = row.value("prompt", "");
  r.response = row.value("response", "");
  r.tokens = row.value("tokens", 0);
  r.scored = row.value("scored", false);
  r.score = row.value("score", 0.0);
  r.faults = row.value("faults", std::vector<std::string>());
  r.kl = row.value("kl", 0.0);
  return r;
}

absl::StatusOr<std::vector<EvaluatedResponse>> ReadResponses(
    const std::string& path) {
  std::vector<EvaluatedResponse> responses;
  RETURN_IF_ERROR(ForEachLine(
      path, kMaxLineBytes, [&](int64_t number, std::string_view line) {
        const json row = json::parse(line, nullptr, false);
        if (!row.is_object()) {
          return absl::DataLossError(
              absl::StrCat(path, ":", number, ": not a JSON object"));
        }
        responses.push_back(FromObject(row));
        return absl::OkStatus();
      }));
  return responses;
}

EvaluationSummary SummaryFromJson(const json& object) {
  EvaluationSummary s;
  s.responses = object.value("responses", int64_t{0});
  s.haywire = object.value("haywire", int64_t{0});
  s.rate = object.value("rate", 0.0);
  s.low = object.value("low", 0.0);
  s.high = object.value("high", 1.0);
  s.by_kind = object.value("by_kind", std::map<std::string, int64_t>());
  s.mean_score = object.value("mean_score", 0.0);
  s.mean_tokens = object.value("mean_tokens", 0.0);
  s.kl_per_response = object.value("kl_per_response", 0.0);
  s.mean_words = object.value("mean_words", 0.0);
  s.distinct_words = object.value("distinct_words", int64_t{0});
  s.distinct3 = object.value("distinct3", 1.0);
  s.verbatim = object.value("verbatim", 0.0);
  return s;
}

std::string EvalPath(const RunDirectory& directory, const std::string& name) {
  return JoinPath(JoinPath(directory.path(), "samples"),
                  absl::StrCat("eval_", name, ".jsonl"));
}

// For a POSIX shell.
std::string Quoted(std::string_view text) {
  return absl::StrCat(
      "'", absl::StrReplaceAll(std::string(text), {{"'", "'\\''"}}), "'");
}

// `prompt`: one of the run's; empty (it has token ids only): its file.
std::string NextSteps(const RunDirectory& directory, std::string_view prompt) {
  const std::string what = prompt.empty()
                               ? std::string("--data FILE.jsonl")
                               : absl::StrCat("--prompt ", Quoted(prompt));
  return absl::StrCat(
      "\n  the trained model: ", directory.model_path(),
      "\n  the curves:        ", directory.plot_path("run"),
      "\n  the figures:       ", directory.result_path(),
      "\n\n  try next:\n    operant generate --model ", directory.model_path(),
      " ", what, " --temperature 1 --seed 7\n    operant eval --model ",
      directory.model_path(), " -c ", directory.config_path(), "\n");
}

}  // namespace

absl::Status ClosingReport::WriteResponses(
    const std::string& name, std::span<const EvaluatedResponse> responses) {
  std::string text;
  for (const EvaluatedResponse& r : responses)
    absl::StrAppend(&text, ToObject(r).dump(), "\n");
  return WriteFileAtomically(EvalPath(*directory_, name), text);
}

absl::Status ClosingReport::AddRaw(std::span<const EvaluatedResponse> responses,
                                   const EvaluationSummary& summary,
                                   double seconds) {
  RETURN_IF_ERROR(WriteResponses("raw", responses));
  const json patch = {{"raw", json::parse(ToJson(summary))},
                      {"seconds", {{"eval_raw", seconds}}}};
  return directory_->MergeResult(patch.dump());
}

absl::Status ClosingReport::AddDetectorCheck(double false_positive_rate) {
  std::printf("  real held-out responses called haywire: %.2f %%\n\n",
              100 * false_positive_rate);
  std::fflush(stdout);
  const json patch = {{"detector_false_positive", false_positive_rate}};
  return directory_->MergeResult(patch.dump());
}

absl::Status ClosingReport::AddTrained(
    std::span<const EvaluatedResponse> responses,
    const EvaluationSummary& summary, double seconds) {
  RETURN_IF_ERROR(WriteResponses("trained", responses));
  const json patch = {{"trained", json::parse(ToJson(summary))},
                      {"kl_per_response", summary.kl_per_response},
                      {"seconds", {{"eval_trained", seconds}}}};
  return directory_->MergeResult(patch.dump());
}

absl::Status ClosingReport::AddTraining(const TrainerState& state) {
  const json patch = {{"responses_trained", state.responses},
                      {"tokens_trained", state.tokens},
                      {"steps", state.step},
                      {"cpu", CpuName()},
                      {"seconds", {{"rl", state.train_seconds}}}};
  return directory_->MergeResult(patch.dump());
}

absl::Status ClosingReport::Print(std::string_view prompt) {
  ASSIGN_OR_RETURN(const std::string svg,
                   PlotRun(directory_->path(), directory_->metrics_path()));
  RETURN_IF_ERROR(WriteFileAtomically(directory_->plot_path("run"), svg));
  ASSIGN_OR_RETURN(const std::string text, ReadFile(directory_->result_path()));
  const json result = json::parse(text, nullptr, false);
  if (result.contains("raw") && result.contains("trained")) {
    ASSIGN_OR_RETURN(const auto raw,
                     ReadResponses(EvalPath(*directory_, "raw")));
    ASSIGN_OR_RETURN(const auto trained,
                     ReadResponses(EvalPath(*directory_, "trained")));
    const std::string comparison =
        CompareAsText(raw, SummaryFromJson(result["raw"]), trained,
                      SummaryFromJson(result["trained"]), kExamples);
    std::printf("\n%s", comparison.c_str());
  }
  std::fputs(NextSteps(*directory_, prompt).c_str(), stdout);
  std::fflush(stdout);
  return absl::OkStatus();
}

}  // namespace operant::learner
