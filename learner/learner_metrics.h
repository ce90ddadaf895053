// The learner's Prometheus metrics (operant_learner_*, operant_checkpoint_*,
// operant_eval_*): views of figures that are computed elsewhere.
#ifndef OPERANT_LEARNER_LEARNER_METRICS_H_
#define OPERANT_LEARNER_LEARNER_METRICS_H_

#include <string>

#include "absl/time/time.h"
#include "common/base/metrics.h"
#include "learner/batch_source.h"
#include "learner/evaluation_summary.h"
#include "learner/step_report.h"
#include "operant/v1/config.pb.h"

namespace operant::learner {

// What is known before the first step: which run this is and the limits of its
// alerts. `now` is where the time stamps of the future start.
void ExportRun(const v1::RunConfig& config, absl::Time now,
               MetricRegistry* metrics);

// Exports a step. Counters and histograms are advanced by it; call once a
// step. `batch` is what the step was made of.
void ExportStep(const StepReport& report, const ScoredBatch& batch,
                const v1::RunConfig& config, MetricRegistry* metrics);

// A held-out evaluation that took `took`.
void ExportEvaluation(const EvaluationSummary& summary, absl::Duration took,
                      MetricRegistry* metrics);

// A complete checkpoint of `bytes` that took `took`.
void ExportCheckpoint(double bytes, absl::Duration took,
                      MetricRegistry* metrics);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_LEARNER_METRICS_H_
