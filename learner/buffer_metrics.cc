#include "learner/buffer_metrics.h"

#include "common/base/metric_families.h"

namespace operant::learner {

BufferMetrics::BufferMetrics(MetricRegistry* metrics, size_t capacity) {
  if (metrics == nullptr) return;
  leased_ = &metrics->Get(metric::kBufferSamples, {"leased"});
  awaiting_ = &metrics->Get(metric::kBufferSamples, {"awaiting_reward"});
  ready_ = &metrics->Get(metric::kBufferSamples, {"ready"});
  age_ = &metrics->Get(metric::kBufferBatchAgeSeconds);
  metrics->Get(metric::kBufferCapacitySamples)
      .Set(static_cast<double>(capacity));
}

void BufferMetrics::Taken(size_t responses, absl::Duration age) {
  Move(ready_, nullptr, responses);
  if (age_ != nullptr) age_->Observe(absl::ToDoubleSeconds(age));
}

void BufferMetrics::Move(Gauge* from, Gauge* to, size_t responses) {
  const auto count = static_cast<double>(responses);
  if (from != nullptr) from->Add(-count);
  if (to != nullptr) to->Add(count);
}

}  // namespace operant::learner
