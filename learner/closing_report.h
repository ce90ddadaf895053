// What a run ends with: raw against trained, side by side, in result.json, on
// the console and as a plot.
#ifndef OPERANT_LEARNER_CLOSING_REPORT_H_
#define OPERANT_LEARNER_CLOSING_REPORT_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/run/run_directory.h"
#include "learner/checkpoint_store.h"
#include "learner/evaluation.h"
#include "learner/evaluation_summary.h"

namespace operant::learner {

// Not thread-safe. Each Add goes to disk at once, so that a resumed run still
// has what an earlier process measured.
class ClosingReport {
 public:
  // `directory` is not owned.
  explicit ClosingReport(const RunDirectory* directory)
      : directory_(directory) {}

  // result.json: raw, seconds.eval_raw; samples/eval_raw.jsonl.
  absl::Status AddRaw(std::span<const EvaluatedResponse> responses,
                      const EvaluationSummary& summary, double seconds);
  // result.json: detector_false_positive.
  absl::Status AddDetectorCheck(double false_positive_rate);
  // result.json: trained, kl_per_response, seconds.eval_trained.
  absl::Status AddTrained(std::span<const EvaluatedResponse> responses,
                          const EvaluationSummary& summary, double seconds);
  // result.json: responses_trained, tokens_trained, steps, seconds.rl, cpu.
  absl::Status AddTraining(const TrainerState& state);

  // Writes plots/run.svg from metrics.jsonl and prints the comparison, and what
  // to try next: on `prompt`, one of the run's, if it is not empty.
  absl::Status Print(std::string_view prompt);

 private:
  absl::Status WriteResponses(const std::string& name,
                              std::span<const EvaluatedResponse> responses);

  const RunDirectory* const directory_;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_CLOSING_REPORT_H_
