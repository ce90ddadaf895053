// The engine's metric families (operant_rollout_*).
#ifndef OPERANT_ROLLOUT_ENGINE_METRICS_H_
#define OPERANT_ROLLOUT_ENGINE_METRICS_H_

#include <memory>

#include "common/base/metrics.h"

namespace operant::rollout {

// The references live as long as the registry.
struct EngineMetrics {
  // A null registry: the metrics are kept but nobody sees them.
  explicit EngineMetrics(MetricRegistry* registry);

 private:
  std::unique_ptr<MetricRegistry> owned_;
  MetricRegistry& registry_;

 public:
  Counter& stopped;
  Counter& at_length;
  Counter& aborted;
  Counter& failed;
  Counter& prompt_tokens;
  Counter& generated_tokens;
  Gauge& running;
  Gauge& waiting;
  Gauge& cache_usage;
  Gauge& last_progress;
  Histogram& time_to_first_token;
  Histogram& inter_token;
  Histogram& queue_duration;
  Histogram& sequence_duration;
  Histogram& decode_batch;
  Histogram& swap_pause;
};

}  // namespace operant::rollout

#endif  // OPERANT_ROLLOUT_ENGINE_METRICS_H_
