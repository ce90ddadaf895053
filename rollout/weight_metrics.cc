#include "rollout/weight_metrics.h"

#include <string>

namespace operant::rollout {
namespace {

Histogram& PhaseSeconds(MetricRegistry& registry, const std::string& phase) {
  return registry.AddHistogram(
      "operant_weights_transfer_duration_seconds",
      "Time of a weight version's way to active, by phase: receive (first "
      "frame to commit, digests included), pack, swap (waiting for the decode "
      "boundary included). Failed transfers are not observed.",
      ExponentialBuckets(0.001, 2, 16), {{"phase", phase}});
}

}  // namespace

WeightMetrics::WeightMetrics(MetricRegistry& registry)
    : registry_(registry),
      serving_version_(registry.AddGauge(
          "operant_weights_serving_version",
          "Policy version that new tokens are sampled with; 0 as well before "
          "the first one (see operant_weights_last_load_timestamp_seconds).")),
      last_load_(registry.AddGauge(
          "operant_weights_last_load_timestamp_seconds",
          "Unix time at which the serving version became active; 0 before the "
          "first one.")),
      bytes_(registry.AddCounter(
          "operant_weights_transfer_bytes_total",
          "Payload bytes of completely received, verified weight versions.")),
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
  serving_version_.Set(static_cast<double>(version));
  last_load_.Set(absl::ToDoubleSeconds(now - absl::UnixEpoch()));
}

void WeightMetrics::Failed(const absl::Status& status) {
  registry_
      .AddCounter("operant_weights_transfer_failures_total",
                  "Weight transfers that did not become active, by status "
                  "code; a version refused as not newer is included.",
                  {{"reason", absl::StatusCodeToString(status.code())}})
      .Increment();
}

}  // namespace operant::rollout
