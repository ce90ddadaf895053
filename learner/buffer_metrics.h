// Where the responses of the coming steps are (operant_buffer_*): leased to
// workers, awaiting their reward, or ready to be trained on.
#ifndef OPERANT_LEARNER_BUFFER_METRICS_H_
#define OPERANT_LEARNER_BUFFER_METRICS_H_

#include <cstddef>

#include "absl/time/time.h"
#include "common/base/metrics.h"

namespace operant::learner {

// Thread-safe: each call moves responses from one gauge to the next.
class BufferMetrics {
 public:
  // Null `metrics`: nobody looks. Otherwise not owned.
  BufferMetrics(MetricRegistry* metrics, size_t capacity);

  void Leased(size_t responses) { Move(nullptr, leased_, responses); }
  void Generated(size_t responses) { Move(leased_, awaiting_, responses); }
  void Scored(size_t responses) { Move(awaiting_, ready_, responses); }
  // The learner took a batch that was first leased `age` ago.
  void Taken(size_t responses, absl::Duration age);

 private:
  static void Move(Gauge* from, Gauge* to, size_t responses);

  Gauge* leased_ = nullptr;
  Gauge* awaiting_ = nullptr;
  Gauge* ready_ = nullptr;
  Histogram* age_ = nullptr;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_BUFFER_METRICS_H_
