#include "rollout/engine_metrics.h"

#include <string>

namespace operant::rollout {
namespace {

Counter& Sequences(MetricRegistry& registry, const std::string& reason) {
  return registry.AddCounter("operant_rollout_sequences_total",
                             "Finished sequences by how they ended.",
                             {{"finish_reason", reason}});
}

Counter& Tokens(MetricRegistry& registry, const std::string& kind) {
  return registry.AddCounter(
      "operant_rollout_tokens_total",
      "Tokens run through the model: prompt (once for each prefill, not for "
      "each member of a group) and generated (aborted sequences included).",
      {{"kind", kind}});
}

}  // namespace

EngineMetrics::EngineMetrics(MetricRegistry* registry)
    : owned_(registry == nullptr ? MetricRegistry::Create() : nullptr),
      registry_(registry == nullptr ? *owned_ : *registry),
      stopped(Sequences(registry_, "stop")),
      at_length(Sequences(registry_, "length")),
      aborted(Sequences(registry_, "abort")),
      failed(Sequences(registry_, "error")),
      prompt_tokens(Tokens(registry_, "prompt")),
      generated_tokens(Tokens(registry_, "generated")),
      running(registry_.AddGauge("operant_rollout_running_sequences",
                                 "Sequences that are being decoded.")),
      waiting(registry_.AddGauge("operant_rollout_waiting_sequences",
                                 "Accepted sequences without a slot yet.")),
      cache_usage(registry_.AddGauge(
          "operant_rollout_kv_cache_usage_ratio",
          "Share of the cache's positions that running sequences hold.")),
      last_progress(
          registry_.AddGauge("operant_rollout_last_progress_timestamp_seconds",
                             "Unix time of the last decode step.")),
      time_to_first_token(registry_.AddHistogram(
          "operant_rollout_time_to_first_token_seconds",
          "From acceptance to the first sampled token, waiting included.",
          ExponentialBuckets(0.001, 2, 18))),
      sequence_duration(registry_.AddHistogram(
          "operant_rollout_sequence_duration_seconds",
          "From acceptance to the last token, waiting included; aborted "
          "sequences excluded.",
          ExponentialBuckets(0.01, 2, 18))),
      decode_batch(registry_.AddHistogram(
          "operant_rollout_decode_batch_sequences",
          "Sequences in a decode step.", ExponentialBuckets(1, 2, 13))),
      swap_pause(registry_.AddHistogram(
          "operant_rollout_swap_pause_seconds",
          "Time that generation stood still for new weights.",
          ExponentialBuckets(1e-6, 4, 12))) {}

}  // namespace operant::rollout
