// Curves of runs, as SVG pages.
#ifndef OPERANT_LEARNER_RUN_PLOT_H_
#define OPERANT_LEARNER_RUN_PLOT_H_

#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace operant::learner {

// A run from the rows of its metrics.jsonl: score, haywire rate, KL and entropy
// against responses seen. DataLoss names a line that is no JSON.
absl::StatusOr<std::string> PlotRun(const std::string& title,
                                    const std::string& metrics_path);

// Runs over one another, each named by the last part of its folder: score of
// each step and on held-out prompts (with result.json: before and after, too),
// KL and length. Errors: no metrics.jsonl in a folder, DataLoss as above.
absl::StatusOr<std::string> PlotRuns(const std::string& title,
                                     std::span<const std::string> folders);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_RUN_PLOT_H_
