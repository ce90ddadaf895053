#include "learner/collective_metrics.h"

#include "common/base/metric_families.h"

namespace operant::learner {

void ExportExchange(const ExchangeSpan& span, MetricRegistry* metrics) {
  if (!span.status.ok()) {
    const char* kind = absl::IsDeadlineExceeded(span.status) ? "timeout"
                       : absl::IsAborted(span.status)        ? "aborted"
                                                             : "other";
    metrics->Get(metric::kCollectiveErrorsTotal, {kind}).Increment();
    return;
  }
  metrics->Get(metric::kCollectiveDurationSeconds, {span.operation})
      .Observe(absl::ToDoubleSeconds(span.end - span.begin));
  metrics->Get(metric::kCollectiveBytesTotal, {span.operation})
      .Increment(static_cast<double>(span.bytes));
}

}  // namespace operant::learner
