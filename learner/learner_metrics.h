// The learner's Prometheus metrics, set from a step's report.
#ifndef OPERANT_LEARNER_LEARNER_METRICS_H_
#define OPERANT_LEARNER_LEARNER_METRICS_H_

#include "common/base/metrics.h"
#include "learner/step_report.h"
#include "operant/v1/config.pb.h"

namespace operant::learner {

// Exports `report`. Counters are advanced by this step; call once a step.
// `metrics` is not owned.
void ExportStep(const StepReport& report, const v1::RunConfig& config,
                MetricRegistry* metrics);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_LEARNER_METRICS_H_
