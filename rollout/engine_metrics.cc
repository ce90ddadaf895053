#include "rollout/engine_metrics.h"

#include "common/base/metric_families.h"

namespace operant::rollout {
namespace {

Counter& Sequences(MetricRegistry& registry, const char* reason) {
  return registry.Get(metric::kRolloutSequencesTotal, {reason});
}

}  // namespace

EngineMetrics::EngineMetrics(MetricRegistry* registry)
    : owned_(registry == nullptr ? MetricRegistry::Create() : nullptr),
      registry_(registry == nullptr ? *owned_ : *registry),
      stopped(Sequences(registry_, "stop")),
      at_length(Sequences(registry_, "length")),
      aborted(Sequences(registry_, "abort")),
      failed(Sequences(registry_, "error")),
      prompt_tokens(registry_.Get(metric::kRolloutTokensTotal, {"prompt"})),
      generated_tokens(
          registry_.Get(metric::kRolloutTokensTotal, {"generated"})),
      running(registry_.Get(metric::kRolloutRunningSequences)),
      waiting(registry_.Get(metric::kRolloutWaitingSequences)),
      cache_usage(registry_.Get(metric::kRolloutKvCacheUsageRatio)),
      last_progress(
          registry_.Get(metric::kRolloutLastProgressTimestampSeconds)),
      time_to_first_token(
          registry_.Get(metric::kRolloutTimeToFirstTokenSeconds)),
      inter_token(registry_.Get(metric::kRolloutInterTokenSeconds)),
      queue_duration(registry_.Get(metric::kRolloutQueueDurationSeconds)),
      sequence_duration(registry_.Get(metric::kRolloutSequenceDurationSeconds)),
      decode_batch(registry_.Get(metric::kRolloutDecodeBatchSequences)),
      swap_pause(registry_.Get(metric::kRolloutSwapPauseSeconds)) {}

}  // namespace operant::rollout
