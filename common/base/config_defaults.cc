#include <algorithm>
#include <cassert>
#include <cstdint>
#include <limits>

#include "common/base/config.h"
#include "common/base/config_field.h"

namespace operant {
namespace {

struct Default {
  const char* path;
  const char* value;  // as in YAML
};

// Every unconditional default that config.proto names.
constexpr Default kDefaults[] = {
    {"run.name", "run"},
    {"run.root", "runs"},
    {"run.seed", "1"},
    {"run.max_failures", "5"},
    {"run.failure_window_ms", "600000"},
    {"run.stop_grace_ms", "180000"},
    {"model.init", "folder"},
    {"tokenizer.train_vocab_size", "2048"},
    {"data.overlong", "error"},
    {"rollout.max_workers", "256"},
    {"rollout.slots", "64"},
    {"rollout.queue_samples", "65536"},
    {"rollout.device", "auto"},
    {"rollout.dtype", "fp32"},
    {"rollout.max_response_tokens", "64"},
    {"rollout.temperature", "1"},
    {"rollout.top_p", "1"},
    {"rollout.heartbeat_interval_ms", "500"},
    {"rollout.heartbeat_timeout_ms", "5000"},
    {"rollout.generate_deadline_ms", "600000"},
    {"rollout.push_deadline_ms", "60000"},
    {"reward.scorer", "wellformed"},
    {"reward.threads", "1"},
    {"reward.batch_items", "128"},
    {"reward.deadline_ms", "10000"},
    {"reward.max_retries", "3"},
    {"reward.on_error", "fail"},
    {"reward.drop_limit", "0.05"},
    {"reward.max_abs_score", "1e6"},
    {"reward.unavailable_wait_ms", "30000"},
    {"reward.answer.tolerance", "1e-9"},
    {"reward.preference_model.std", "1"},
    {"reward.preference_model.device", "auto"},
    {"reward.preference_model.dtype", "fp32"},
    {"reward.judge.max_score", "10"},
    {"reward.judge.requests_per_minute", "600"},
    {"reward.judge.timeout_ms", "8000"},
    {"reward.judge.max_reply_tokens", "256"},
    {"reward.sandbox.kind", "bubblewrap"},
    {"reward.sandbox.wall_ms", "4000"},
    {"reward.sandbox.cpu_seconds", "2"},
    {"reward.sandbox.memory_mb", "256"},
    {"reward.sandbox.processes", "8"},
    {"reward.sandbox.file_mb", "16"},
    {"reward.sandbox.output_kb", "64"},
    {"reward.sandbox.python", "/usr/bin/python3"},
    {"reward.breaker_failures", "5"},
    {"reward.cache_items", "65536"},
    {"learner.prompts_per_step", "64"},
    {"learner.samples_per_prompt", "8"},
    {"learner.microbatch_tokens", "8192"},
    {"learner.device", "auto"},
    {"learner.dtype", "fp32"},
    {"learner.listen", "127.0.0.1:0"},
    {"learner.worker_wait_ms", "120000"},
    {"learner.ranks", "1"},
    {"learner.collective", "auto"},
    {"learner.shard", "none"},
    {"learner.recompute", "none"},
    {"learner.collective_timeout_ms", "30000"},
    {"learner.rank_wait_ms", "120000"},
    {"learner.digest_every_steps", "10"},
    {"ppo.learning_rate", "1e-6"},
    {"ppo.value_learning_rate", "1e-5"},
    {"ppo.schedule", "constant"},
    {"ppo.critic", "gradient"},
    {"ppo.min_learning_rate_ratio", "0.1"},
    {"ppo.adam_beta1", "0.9"},
    {"ppo.adam_beta2", "0.95"},
    {"ppo.adam_epsilon", "1e-8"},
    {"ppo.max_gradient_norm", "1"},
    {"ppo.epochs", "1"},
    {"ppo.clip_low", "0.2"},
    {"ppo.clip_high", "0.28"},
    {"ppo.dual_clip", "3"},
    {"ppo.value_clip", "0.2"},
    {"ppo.value_coefficient", "0.5"},
    {"ppo.gamma", "1"},
    {"ppo.lambda", "0.95"},
    {"ppo.kl_horizon", "10000"},
    {"ppo.score_clip", "5"},
    {"ppo.truncated", "terminal"},
    {"ppo.importance_cap", "2"},
    {"ppo.train_fraction", "1"},
    {"checkpoint.keep", "2"},
    {"eval.samples", "2000"},
    {"eval.final_samples", "20000"},
    {"eval.temperature", "1"},
    {"eval.top_p", "1"},
    {"eval.seed", "20000"},
    {"stop.max_skipped_steps", "5"},
    {"sft.epochs", "3"},
    {"sft.batch_tokens", "8192"},
    {"sft.learning_rate", "1e-3"},
    {"sft.warmup_steps", "50"},
    {"sft.min_learning_rate_ratio", "0.1"},
    {"sft.weight_decay", "0.01"},
    {"sft.adam_beta1", "0.9"},
    {"sft.adam_beta2", "0.95"},
    {"sft.max_gradient_norm", "1"},
    {"sft.checkpoint_every_steps", "200"},
    {"sft.device", "auto"},
    {"rm.epochs", "1"},
    {"rm.batch_pairs", "64"},
    {"rm.learning_rate", "1e-4"},
    {"rm.warmup_steps", "20"},
    {"rm.min_learning_rate_ratio", "0.1"},
    {"rm.weight_decay", "0.01"},
    {"rm.max_gradient_norm", "1"},
    {"rm.device", "auto"},
    {"log.level", "info"},
    {"log.format", "text"},
    {"log.samples_every_steps", "10"},
    {"alert.step_stall_seconds", "1800"},
    {"alert.checkpoint_age_seconds", "7200"},
    {"security.trust_domain", "operant"},
    {"security.reload_seconds", "10"},
};

// Sizes of model.init: random.
constexpr Default kRandomModelDefaults[] = {
    {"model.hidden_size", "128"},
    {"model.intermediate_size", "256"},
    {"model.num_hidden_layers", "4"},
    {"model.num_attention_heads", "4"},
    {"model.max_position_embeddings", "128"},
    {"model.rope_theta", "10000"},
};

// A run that stays on one machine has no deploy section.
constexpr Default kDeployDefaults[] = {
    {"deploy.namespace", "operant"},
    {"deploy.learner.cpus", "2"},
    {"deploy.learner.memory", "8Gi"},
    {"deploy.learner.shared_memory", "1Gi"},
    {"deploy.rollout.cpus", "2"},
    {"deploy.rollout.memory", "8Gi"},
    {"deploy.rollout.shared_memory", "1Gi"},
    {"deploy.reward.cpus", "2"},
    {"deploy.reward.memory", "8Gi"},
    {"deploy.reward.shared_memory", "1Gi"},
    {"deploy.nodes", "1"},
    {"deploy.gpus_per_node", "8"},
    {"deploy.reward_replicas", "1"},
    {"deploy.monitoring_namespace", "monitoring"},
    {"deploy.network.interface", "eth0"},
    {"deploy.network.hca", "mlx5"},
    {"deploy.network.gid_index", "3"},
    {"deploy.network.rdma_resource", "rdma/hca_shared_devices_a"},
    {"deploy.slurm.time_limit", "24:00:00"},
    {"deploy.slurm.signal_seconds", "300"},
    {"deploy.program", "/usr/local/bin/operant"},
    {"deploy.user", "operant"},
};

void SetIfUnset(v1::RunConfig& config, const Default& row) {
  const internal::FieldRef ref = internal::FindField(config, row.path);
  assert(ref.field != nullptr);
  if (!internal::IsUnset(ref)) return;
  [[maybe_unused]] const absl::Status set = internal::SetScalar(ref, row.value);
  assert(set.ok());
}

void ResolveRandomModel(v1::RunConfig& config) {
  for (const Default& row : kRandomModelDefaults) SetIfUnset(config, row);
  v1::ModelSection& model = *config.mutable_model();
  const uint32_t heads = model.num_attention_heads();
  if (model.num_key_value_heads() == 0) model.set_num_key_value_heads(heads);
  // Left at 0 where the heads do not divide: ValidateConfig tells.
  if (model.head_dim() == 0 && model.hidden_size() % heads == 0) {
    model.set_head_dim(model.hidden_size() / heads);
  }
  if (config.data().max_prompt_tokens() == 0) {
    config.mutable_data()->set_max_prompt_tokens(
        model.max_position_embeddings() / 2);
  }
}

void ResolveSwitches(v1::RunConfig& config) {
  if (!config.rollout().zero_workers()) {
    SetIfUnset(config, {"rollout.workers", "1"});
  }
  if (!config.ppo().no_kl()) SetIfUnset(config, {"ppo.kl_coefficient", "0.02"});
  if (!config.rm().no_centering()) {
    SetIfUnset(config, {"rm.center_coefficient", "0.01"});
  }
  // bf16 keeps 8 bits of a log-prob's logits.
  const bool is_bf16 = config.learner().dtype() == "bf16";
  SetIfUnset(config, {"ppo.ratio_tolerance", is_bf16 ? "0.2" : "1e-3"});
}

// The address, or the program that serves there.
std::string NameFor(const v1::RewardEndpoint& endpoint) {
  if (!endpoint.address().empty() || endpoint.command().empty()) {
    return endpoint.address();
  }
  const std::string& program = endpoint.command(0);
  return program.substr(program.rfind('/') + 1);
}

void ResolveEndpoints(v1::RewardSection& reward) {
  for (v1::RewardEndpoint& endpoint : *reward.mutable_endpoints()) {
    if (endpoint.name().empty()) endpoint.set_name(NameFor(endpoint));
    if (endpoint.weight() == 0) endpoint.set_weight(1);
    if (endpoint.deadline_ms() == 0) {
      endpoint.set_deadline_ms(reward.deadline_ms());
    }
    for (v1::ComponentWeight& part : *endpoint.mutable_component_weights()) {
      if (part.weight() == 0) part.set_weight(1);
    }
  }
}

void ResolveMinibatch(v1::LearnerSection& learner) {
  if (learner.minibatch_samples() != 0) return;
  const uint64_t samples =
      uint64_t{learner.prompts_per_step()} * learner.samples_per_prompt();
  learner.set_minibatch_samples(static_cast<uint32_t>(
      std::min<uint64_t>(samples, std::numeric_limits<uint32_t>::max())));
}

// Generous by intent: an alert that a healthy run fires is not read.
double ReferenceKlLimit(const v1::RunConfig& config) {
  if (config.stop().max_reference_kl() > 0)
    return config.stop().max_reference_kl() / 2;
  if (config.ppo().kl_target() > 0) return 4 * config.ppo().kl_target();
  return 50;
}

void ResolveAlerts(v1::RunConfig& config) {
  v1::AlertSection& alert = *config.mutable_alert();
  if (alert.reference_kl() == 0)
    alert.set_reference_kl(ReferenceKlLimit(config));
  if (alert.weight_lag_versions() == 0)
    alert.set_weight_lag_versions(config.learner().staleness() + 2);
}

}  // namespace

void ResolveDefaults(v1::RunConfig& config) {
  for (const Default& row : kDefaults) SetIfUnset(config, row);
  if (config.model().init() == "random") ResolveRandomModel(config);
  if (config.has_deploy()) {
    for (const Default& row : kDeployDefaults) SetIfUnset(config, row);
  }
  ResolveSwitches(config);
  ResolveEndpoints(*config.mutable_reward());
  ResolveMinibatch(*config.mutable_learner());
  ResolveAlerts(config);
}

}  // namespace operant
