// Exchanges between ranks as metrics.
#ifndef OPERANT_LEARNER_COLLECTIVE_METRICS_H_
#define OPERANT_LEARNER_COLLECTIVE_METRICS_H_

#include "common/base/metrics.h"
#include "learner/collective.h"

namespace operant::learner {

// Thread-safe.
void ExportExchange(const ExchangeSpan& span, MetricRegistry* metrics);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_COLLECTIVE_METRICS_H_
