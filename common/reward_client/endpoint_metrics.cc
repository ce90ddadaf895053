#include "common/reward_client/endpoint_metrics.h"

#include "absl/strings/str_cat.h"
#include "common/base/metric_families.h"
#include "common/reward_client/server_info.h"

namespace operant {

EndpointMetrics::EndpointMetrics(const std::string& endpoint,
                                 MetricRegistry* registry)
    : endpoint_(endpoint),
      registry_(registry),
      duration_(
          registry->Get(metric::kRewardRequestDurationSeconds, {endpoint})),
      batch_items_(registry->Get(metric::kRewardBatchItems, {endpoint})),
      score_(registry->Get(metric::kRewardScore, {endpoint})),
      pending_(registry->Get(metric::kRewardPendingItems, {endpoint})),
      unreachable_(registry->Get(metric::kRewardUnreachable, {endpoint})),
      retries_(registry->Get(metric::kRewardRetriesTotal, {endpoint})),
      cache_hits_(registry->Get(metric::kRewardCacheHitsTotal, {endpoint})),
      circuit_open_(registry->Get(metric::kRewardCircuitOpen, {endpoint})),
      inflight_limit_(registry->Get(metric::kRewardInflightLimit, {endpoint})) {
  // At 0 from the start: an outcome that appears with its first item would
  // have no increase for the alert rules to see.
  for (const AnswerOutcome outcome : kAnswerOutcomes) Items(outcome);
}

Counter& EndpointMetrics::Items(AnswerOutcome outcome) {
  return registry_->Get(metric::kRewardItemsTotal,
                        {endpoint_, OutcomeLabel(outcome)});
}

void EndpointMetrics::CountRequest(const absl::Status& status,
                                   absl::Duration duration, int items) {
  registry_
      ->Get(metric::kRewardRequestsTotal,
            {endpoint_, absl::StatusCodeToString(status.code())})
      .Increment();
  duration_.Observe(absl::ToDoubleSeconds(duration));
  batch_items_.Observe(items);
}

void EndpointMetrics::CountAnswer(const ItemAnswer& answer) {
  Items(answer.outcome).Increment();
  if (answer.outcome == AnswerOutcome::kOk) score_.Observe(answer.score);
}

void EndpointMetrics::SetCircuit(bool open, int inflight_limit) {
  circuit_open_.Set(open ? 1 : 0);
  inflight_limit_.Set(inflight_limit);
}

void EndpointMetrics::SetInfo(const v1::GetInfoResponse& info) {
  registry_
      ->Get(metric::kRewardEndpointInfo,
            {endpoint_, Printable(info.name()), Printable(info.version()),
             absl::StrCat(info.api_level())})
      .Set(1);
}

}  // namespace operant
