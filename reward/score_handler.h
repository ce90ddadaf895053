// What a reward server does with a request, whichever RPC brought it.
#ifndef OPERANT_REWARD_SCORE_HANDLER_H_
#define OPERANT_REWARD_SCORE_HANDLER_H_

#include <cstddef>

#include "absl/status/status.h"
#include "common/base/metrics.h"
#include "operant/v1/reward.pb.h"
#include "reward/scorer.h"

namespace operant::reward {

struct ScoreLimits {
  int max_batch_items = 1024;
  // Batches that a client may have in flight; more wait in the queue.
  int max_inflight_batches = 8;
  // Of an item's prompt and of its response.
  size_t max_text_bytes = 1 << 20;
};

// Checks, scores and counts. Thread-safe.
class ScoreHandler {
 public:
  // `scorer` and `metrics` are not owned and must outlive the handler.
  ScoreHandler(const Scorer* scorer, const ScoreLimits& limits,
               MetricRegistry* metrics);

  // The scorer's description with the limits filled in.
  v1::GetInfoResponse Info() const;

  // Scores every item of `request`, in order. Errors: InvalidArgument (no id,
  // an id twice, a limit passed: names it), Cancelled (`cancelled` became true
  // before the end), Internal (the scorer broke its contract).
  absl::Status Handle(const v1::ScoreRequest& request,
                      const Scorer::Cancelled& cancelled,
                      v1::ScoreResponse& response) const;

  // The error for a request that found the queue full; counts it.
  absl::Status Refuse() const;

 private:
  absl::Status Check(const v1::ScoreRequest& request) const;
  absl::Status CheckItem(const v1::ScoreItem& item) const;
  absl::Status Score(const v1::ScoreRequest& request,
                     const Scorer::Cancelled& cancelled,
                     v1::ScoreResponse& response) const;
  void CountRequest(const absl::Status& status) const;
  void CountItems(const v1::ScoreResponse& response) const;

  const Scorer* const scorer_;
  const ScoreLimits limits_;
  MetricRegistry* const metrics_;
  Histogram& duration_;
};

}  // namespace operant::reward

#endif  // OPERANT_REWARD_SCORE_HANDLER_H_
