#include "common/base/config_limits.h"

#include <algorithm>
#include <cassert>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/config.h"
#include "common/base/config_field.h"

namespace operant::internal {
namespace {

struct Range {
  const char* path;
  const char* interval;
};

constexpr Range kRanges[] = {
    {"run.max_failures", "[1, 1000]"},
    {"run.failure_window_ms", "[1000, 86400000]"},
    {"run.stop_grace_ms", "[100, 3600000]"},
    {"tokenizer.train_vocab_size", "[257, 1000000]"},
    {"tokenizer.train_whole_words", "[0, 1000000]"},
    {"rollout.workers", "[0, 1024]"},
    {"rollout.max_workers", "[1, 65536]"},
    {"rollout.slots", "[1, 65536]"},
    {"rollout.queue_samples", "[1, 16777216]"},
    {"rollout.threads", "[0, 4096]"},
    {"rollout.max_response_tokens", "[1, 1048576]"},
    {"rollout.temperature", "(0, 100]"},
    {"rollout.top_p", "(0, 1]"},
    {"rollout.heartbeat_interval_ms", "[10, 3600000]"},
    {"rollout.heartbeat_timeout_ms", "[20, 3600000]"},
    {"reward.threads", "[1, 4096]"},
    {"reward.batch_items", "[1, 65536]"},
    {"reward.max_retries", "[1, 100]"},
    {"reward.drop_limit", "(0, 1]"},
    {"reward.max_abs_score", "(0, inf)"},
    {"reward.answer.tolerance", "(0, 1)"},
    {"reward.preference_model.std", "(0, inf)"},
    {"reward.judge.requests_per_minute", "[1, 6000000]"},
    {"reward.judge.timeout_ms", "[1, 3600000]"},
    {"reward.judge.max_reply_tokens", "[1, 65536]"},
    {"reward.sandbox.wall_ms", "[10, 600000]"},
    {"reward.sandbox.cpu_seconds", "[1, 600]"},
    {"reward.sandbox.memory_mb", "[32, 1048576]"},
    {"reward.sandbox.processes", "[1, 4096]"},
    {"reward.sandbox.file_mb", "[1, 65536]"},
    {"reward.sandbox.output_kb", "[1, 65536]"},
    {"reward.breaker_failures", "[1, 1000]"},
    {"reward.cache_items", "[1, 16777216]"},
    {"learner.prompts_per_step", "[1, 1048576]"},
    {"learner.samples_per_prompt", "[1, 65536]"},
    {"learner.staleness", "[0, 64]"},
    {"learner.threads", "[0, 4096]"},
    {"learner.ranks", "[1, 4096]"},
    {"learner.collective_timeout_ms", "[100, 3600000]"},
    {"learner.rank_wait_ms", "[100, 86400000]"},
    {"ppo.learning_rate", "(0, 1]"},
    {"ppo.value_learning_rate", "(0, 1]"},
    {"ppo.min_learning_rate_ratio", "(0, 1]"},
    {"ppo.adam_beta1", "(0, 1)"},
    {"ppo.adam_beta2", "(0, 1)"},
    {"ppo.adam_epsilon", "(0, 1)"},
    {"ppo.weight_decay", "[0, 1]"},
    {"ppo.max_gradient_norm", "(0, inf)"},
    {"ppo.epochs", "[1, 100]"},
    {"ppo.clip_low", "(0, 1)"},
    {"ppo.clip_high", "(0, inf)"},
    {"ppo.dual_clip", "(1, inf)"},
    {"ppo.value_clip", "(0, inf)"},
    {"ppo.value_coefficient", "(0, inf)"},
    {"ppo.entropy_coefficient", "[0, inf)"},
    {"ppo.gamma", "(0, 1]"},
    {"ppo.lambda", "(0, 1]"},
    {"ppo.kl_coefficient", "[0, inf)"},
    {"ppo.kl_target", "[0, inf)"},
    {"ppo.kl_horizon", "(0, inf)"},
    {"ppo.score_clip", "(0, inf)"},
    {"ppo.importance_cap", "(0, inf)"},
    {"ppo.train_fraction", "(0, 1]"},
    {"ppo.ratio_tolerance", "(0, 1)"},
    {"checkpoint.keep", "[2, 1000000]"},
    {"eval.temperature", "(0, 100]"},
    {"eval.top_p", "(0, 1]"},
    {"stop.max_reference_kl", "[0, inf)"},
    {"sft.epochs", "(0, 100000]"},
    {"sft.batch_tokens", "[1, 16777216]"},
    {"sft.learning_rate", "(0, 1]"},
    {"sft.min_learning_rate_ratio", "(0, 1]"},
    {"sft.weight_decay", "[0, 1]"},
    {"sft.adam_beta1", "(0, 1)"},
    {"sft.adam_beta2", "(0, 1)"},
    {"sft.max_gradient_norm", "(0, inf)"},
    {"sft.threads", "[0, 4096]"},
    {"rm.epochs", "(0, 100000]"},
    {"rm.batch_pairs", "[1, 1048576]"},
    {"rm.learning_rate", "(0, 1]"},
    {"rm.min_learning_rate_ratio", "(0, 1]"},
    {"rm.weight_decay", "[0, 1]"},
    {"rm.max_gradient_norm", "(0, inf)"},
    {"rm.center_coefficient", "[0, inf)"},
    {"rm.threads", "[0, 4096]"},
    {"alert.reference_kl", "(0, inf)"},
    {"alert.step_stall_seconds", "[1, 31536000]"},
    {"alert.weight_lag_versions", "[1, 1000000]"},
    {"alert.checkpoint_age_seconds", "[1, 31536000]"},
    {"security.reload_seconds", "[1, 86400]"},
};

// Sizes of model.init: random.
constexpr Range kRandomModelRanges[] = {
    {"model.hidden_size", "[1, 65536]"},
    {"model.intermediate_size", "[1, 1048576]"},
    {"model.num_hidden_layers", "[1, 1024]"},
    {"model.num_attention_heads", "[1, 1024]"},
    {"model.num_key_value_heads", "[1, 1024]"},
    {"model.max_position_embeddings", "[2, 16777216]"},
    {"model.rope_theta", "(0, inf)"},
};

constexpr Range kDeployRanges[] = {
    {"deploy.learner.gpus", "[0, 1]"},
    {"deploy.learner.cpus", "[1, 4096]"},
    {"deploy.rollout.gpus", "[0, 1]"},
    {"deploy.rollout.cpus", "[1, 4096]"},
    {"deploy.reward.gpus", "[0, 1]"},
    {"deploy.reward.cpus", "[1, 4096]"},
    {"deploy.reward_replicas", "[1, 64]"},
    {"deploy.nodes", "[1, 65536]"},
    {"deploy.gpus_per_node", "[1, 64]"},
    {"deploy.elastic_workers", "[0, 1024]"},
    {"deploy.network.gid_index", "[1, 255]"},
    {"deploy.slurm.signal_seconds", "[10, 65535]"},
};

struct Choice {
  const char* path;
  const char* words;  // separated by spaces
};

constexpr Choice kChoices[] = {
    {"model.init", "folder random"},
    {"data.overlong", "error drop left right"},
    {"rollout.device", "auto cpu cuda"},
    {"rollout.dtype", "fp32 bf16"},
    {"reward.scorer",
     "wellformed length regex exact math format json-schema ratings judge "
     "pairwise preference-model code"},
    {"reward.preference_model.device", "auto cpu cuda"},
    {"reward.preference_model.dtype", "fp32 bf16"},
    {"reward.sandbox.kind", "bubblewrap runtime-class"},
    {"learner.device", "auto cpu cuda"},
    {"learner.dtype", "fp32 bf16"},
    {"learner.collective", "auto nccl gloo none"},
    {"learner.shard", "none optimizer"},
    {"learner.recompute", "none layer"},
    {"ppo.schedule", "constant linear cosine"},
    {"ppo.critic", "gradient least_squares"},
    {"ppo.truncated", "terminal bootstrap mask"},
    {"sft.device", "auto cpu cuda"},
    {"rm.device", "auto cpu cuda"},
    {"log.level", "debug info warning error"},
    {"log.format", "text json"},
};

FieldRef FieldOrDie(v1::RunConfig& config, const char* path) {
  const FieldRef ref = FindField(config, path);
  assert(ref.field != nullptr);
  return ref;
}

void CheckRange(v1::RunConfig& config, const Range& range,
                ConfigFaults& faults) {
  const FieldRef ref = FieldOrDie(config, range.path);
  if (IntervalHolds(range.interval, NumberOf(ref))) return;
  faults.Add({range.path, ScalarText(*ref.message, *ref.field),
              absl::StrCat("a number in ", range.interval),
              "leave the key out for the default"});
}

void CheckChoice(v1::RunConfig& config, const Choice& choice,
                 ConfigFaults& faults) {
  const FieldRef ref = FieldOrDie(config, choice.path);
  const std::string value = ScalarText(*ref.message, *ref.field);
  const std::vector<std::string> words = absl::StrSplit(choice.words, ' ');
  if (std::find(words.begin(), words.end(), value) != words.end()) return;
  const std::string meant = NearestWord(value, words);
  faults.Add({choice.path, value, absl::StrJoin(words, " or "),
              meant.empty() ? "leave the key out for the default"
                            : absl::StrCat("did you mean \"", meant, "\"?")});
}

}  // namespace

bool IntervalHolds(const std::string& interval, double value) {
  const std::pair<std::string, std::string> ends =
      absl::StrSplit(interval.substr(1, interval.size() - 2), ", ");
  double low = 0, high = 0;
  if (!absl::SimpleAtod(ends.first, &low) ||
      !absl::SimpleAtod(ends.second, &high)) {
    return false;
  }
  const bool above = interval.front() == '[' ? value >= low : value > low;
  const bool below = interval.back() == ']' ? value <= high : value < high;
  return above && below;
}

void CheckLimits(v1::RunConfig& config, ConfigFaults& faults) {
  for (const Range& range : kRanges) CheckRange(config, range, faults);
  if (config.model().init() == "random") {
    for (const Range& r : kRandomModelRanges) CheckRange(config, r, faults);
  }
  if (config.has_deploy()) {
    for (const Range& range : kDeployRanges) CheckRange(config, range, faults);
  }
  for (const Choice& choice : kChoices) CheckChoice(config, choice, faults);
}

}  // namespace operant::internal
