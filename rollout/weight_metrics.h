// What Prometheus sees of weights arriving on a worker.
#ifndef OPERANT_ROLLOUT_WEIGHT_METRICS_H_
#define OPERANT_ROLLOUT_WEIGHT_METRICS_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/metrics.h"

namespace operant::rollout {

// Thread-safe. The registry must outlive it.
class WeightMetrics {
 public:
  explicit WeightMetrics(MetricRegistry& registry);

  void Received(absl::Duration took, uint64_t bytes);
  void Packed(absl::Duration took);
  void Swapped(absl::Duration took);
  void Serving(uint64_t version, absl::Time now);
  void Failed(const absl::Status& status);

 private:
  MetricRegistry& registry_;
  Counter& bytes_;
  Histogram& receive_seconds_;
  Histogram& pack_seconds_;
  Histogram& swap_seconds_;
};

}  // namespace operant::rollout

#endif  // OPERANT_ROLLOUT_WEIGHT_METRICS_H_
