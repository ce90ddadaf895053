// Gives a process the metrics that it exports from its start: every counter at
// 0 (one that appears with its first event has no increase), every time stamp
// at the process's start. Generated from metrics.toml.
#ifndef OPERANT_COMMON_BASE_METRIC_REGISTRATION_H_
#define OPERANT_COMMON_BASE_METRIC_REGISTRATION_H_

#include "common/base/metrics.h"

namespace operant {

// kRank: a learner's other than rank 0, with the metrics of every process.
enum class MetricRole { kLearner, kRank, kRollout, kReward };

// `now`: Unix time in seconds.
void RegisterMetrics(MetricRole role, double now, MetricRegistry* registry);

// A registry with the role's metrics and operant_build_info.
std::unique_ptr<MetricRegistry> CreateMetricsFor(MetricRole role);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_METRIC_REGISTRATION_H_
