#include "common/reward_client/endpoint_metrics.h"

#include "absl/strings/str_cat.h"
#include "common/reward_client/server_info.h"

namespace operant {

EndpointMetrics::EndpointMetrics(const std::string& endpoint,
                                 MetricRegistry* registry)
    : endpoint_(endpoint),
      registry_(registry),
      duration_(registry->AddHistogram(
          "operant_reward_request_duration_seconds",
          "Time of one Score call, retries counted apart.",
          ExponentialBuckets(1e-3, 2, 16), {{"endpoint", endpoint}})),
      batch_items_(registry->AddHistogram(
          "operant_reward_batch_items", "Items of one Score call.",
          ExponentialBuckets(1, 2, 12), {{"endpoint", endpoint}})),
      pending_(registry->AddGauge("operant_reward_pending_items",
                                  "Items handed in and not yet answered.",
                                  {{"endpoint", endpoint}})),
      retries_(registry->AddCounter("operant_reward_retries_total",
                                    "Score calls that repeat an earlier one.",
                                    {{"endpoint", endpoint}})),
      cache_hits_(registry->AddCounter(
          "operant_reward_cache_hits_total",
          "Items whose score was remembered, not asked for.",
          {{"endpoint", endpoint}})),
      circuit_open_(registry->AddGauge(
          "operant_reward_circuit_open",
          "1 while the server is left alone after calls that failed in a row.",
          {{"endpoint", endpoint}})),
      inflight_limit_(registry->AddGauge(
          "operant_reward_inflight_limit",
          "Score calls that may be under way at once, as adapted.",
          {{"endpoint", endpoint}})),
      score_(registry->AddHistogram(
          "operant_reward_score", "Scores of the endpoint before its weight.",
          {-10, -5, -2, -1, -0.5, -0.2, 0, 0.2, 0.5, 1, 2, 5, 10},
          {{"endpoint", endpoint}, {"component", "score"}})) {
  for (int i = 0; i < kAnswerOutcomes; ++i) {
    items_[i] = &registry->AddCounter(
        "operant_reward_items_total",
        "Items by their final outcome, retries included.",
        {{"endpoint", endpoint},
         {"outcome", OutcomeLabel(static_cast<AnswerOutcome>(i))}});
  }
}

void EndpointMetrics::CountRequest(const absl::Status& status,
                                   absl::Duration duration, int items) {
  registry_
      ->AddCounter("operant_reward_requests_total",
                   "Score calls by gRPC status code.",
                   {{"endpoint", endpoint_},
                    {"code", absl::StatusCodeToString(status.code())}})
      .Increment();
  duration_.Observe(absl::ToDoubleSeconds(duration));
  batch_items_.Observe(items);
}

void EndpointMetrics::CountAnswer(const ItemAnswer& answer) {
  items_[static_cast<int>(answer.outcome)]->Increment();
  if (answer.outcome == AnswerOutcome::kOk) score_.Observe(answer.score);
}

void EndpointMetrics::SetCircuit(bool open, int inflight_limit) {
  circuit_open_.Set(open ? 1 : 0);
  inflight_limit_.Set(inflight_limit);
}

void EndpointMetrics::SetInfo(const v1::GetInfoResponse& info) {
  registry_
      ->AddGauge("operant_reward_endpoint_info",
                 "What answered the first handshake; constant 1.",
                 {{"endpoint", endpoint_},
                  {"server", Printable(info.name())},
                  {"version", Printable(info.version())},
                  {"api_level", absl::StrCat(info.api_level())}})
      .Set(1);
}

}  // namespace operant
