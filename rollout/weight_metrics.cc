#include "rollout/weight_metrics.h"

#include <string>

#include "common/base/metric_families.h"

namespace operant::rollout {
namespace {

Histogram& PhaseSeconds(MetricRegistry& registry, const char* phase) {
  return registry.Get(metric::kWeightsLoadDurationSeconds, {phase});
}

}  // namespace

WeightMetrics::WeightMetrics(MetricRegistry& registry)
    : registry_(registry),
      bytes_(registry.Get(metric::kWeightsReceivedBytesTotal)),
      receive_seconds_(PhaseSeconds(registry, "receive")),
      pack_seconds_(PhaseSeconds(registry, "pack")),
      swap_seconds_(PhaseSeconds(registry, "swap")) {}

void WeightMetrics::Received(absl::Duration took, uint64_t bytes) {
  receive_seconds_.Observe(absl::ToDoubleSeconds(took));
  bytes_.Increment(static_cast<double>(bytes));
}

void WeightMetrics::Packed(absl::Duration took) {
  pack_seconds_.Observe(absl::ToDoubleSeconds(took));
}

void WeightMetrics::Swapped(absl::Duration took) {
  swap_seconds_.Observe(absl::ToDoubleSeconds(took));
}

void WeightMetrics::Serving(uint64_t version, absl::Time now) {
  registry_.Get(metric::kWeightsServingVersion)
      .Set(static_cast<double>(version));
  registry_.Get(metric::kWeightsLastLoadTimestampSeconds).Set(UnixSeconds(now));
}

void WeightMetrics::Failed(const absl::Status& status) {
  registry_
      .Get(metric::kWeightsLoadFailuresTotal,
           {absl::StatusCodeToString(status.code())})
      .Increment();
}

}  // namespace operant::rollout
