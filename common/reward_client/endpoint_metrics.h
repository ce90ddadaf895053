// The metrics of one reward endpoint, as seen by its client.
#ifndef OPERANT_COMMON_REWARD_CLIENT_ENDPOINT_METRICS_H_
#define OPERANT_COMMON_REWARD_CLIENT_ENDPOINT_METRICS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/metrics.h"
#include "common/reward_client/answer.h"
#include "operant/v1/reward.pb.h"

namespace operant {

// Thread-safe.
class EndpointMetrics {
 public:
  // `registry` is not owned and must outlive this.
  EndpointMetrics(const std::string& endpoint, MetricRegistry* registry);

  void CountRequest(const absl::Status& status, absl::Duration duration,
                    int items);
  void CountAnswer(const ItemAnswer& answer);
  void CountRetry() { retries_.Increment(); }
  void CountCacheHit() { cache_hits_.Increment(); }
  void SetCircuit(bool open, int inflight_limit);
  void AddPending(int items) { pending_.Add(items); }
  // Whether the last call found nobody at the address.
  void SetUnreachable(bool unreachable) { unreachable_.Set(unreachable); }
  // What answers at the address, from the handshake.
  void SetInfo(const v1::GetInfoResponse& info);

 private:
  Counter& Items(AnswerOutcome outcome);

  const std::string endpoint_;
  MetricRegistry* const registry_;
  Histogram& duration_;
  Histogram& batch_items_;
  Histogram& score_;
  Gauge& pending_;
  Gauge& unreachable_;
  Counter& retries_;
  Counter& cache_hits_;
  Gauge& circuit_open_;
  Gauge& inflight_limit_;
};

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_ENDPOINT_METRICS_H_
