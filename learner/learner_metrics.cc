#include "learner/learner_metrics.h"

#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace operant::learner {
namespace {

// 0.05 s to about an hour.
std::vector<double> StepBuckets() { return ExponentialBuckets(0.05, 2, 17); }

class Exporter {
 public:
  explicit Exporter(MetricRegistry* metrics) : metrics_(metrics) {}

  void Gauge(const char* name, const char* help, double value,
             const MetricLabels& labels = {}) {
    metrics_->AddGauge(std::string("operant_learner_") + name, help, labels)
        .Set(value);
  }
  void Count(const char* name, const char* help, double by,
             const MetricLabels& labels = {}) {
    metrics_->AddCounter(std::string("operant_learner_") + name, help, labels)
        .Increment(by);
  }
  void Time(const char* name, const char* help, double seconds,
            const MetricLabels& labels = {}) {
    metrics_
        ->AddHistogram(std::string("operant_learner_") + name, help,
                       StepBuckets(), labels)
        .Observe(seconds);
  }

 private:
  MetricRegistry* const metrics_;
};

void ExportCounts(const StepReport& r, Exporter& e) {
  e.Count("steps_total", "PPO steps taken, skipped ones included", 1);
  e.Count("optimizer_steps_total", "Optimiser steps applied",
          static_cast<double>(r.update.optimizer_steps), {{"model", "policy"}});
  e.Count("skipped_steps_total", "Optimiser steps that were not applied",
          static_cast<double>(r.update.skipped_steps),
          {{"reason", "non_finite"}});
  e.Count("samples_total", "Responses sampled for training",
          static_cast<double>(r.step_responses));
  e.Count("tokens_total", "Tokens of responses sampled for training",
          static_cast<double>(r.step_tokens), {{"kind", "response"}});
  e.Count("dropped_samples_total", "Responses not trained on",
          static_cast<double>(r.experience.dropped),
          {{"reason", "reward_error"}});
  e.Gauge("last_step_timestamp_seconds", "Unix time of the last finished step",
          absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()));
}

void ExportReward(const ExperienceStats& s, Exporter& e) {
  e.Gauge("reward_mean", "Mean raw score of the last batch", s.score.mean);
  e.Gauge("reward_stddev", "Standard deviation of the last batch's raw scores",
          s.score.deviation);
  for (const auto& [name, mean] : s.components) {
    e.Gauge("reward_component_mean",
            "Mean of a named part of the score over the last batch", mean,
            {{"component", name}});
  }
  e.Gauge("shaped_reward_mean", "Mean reward per response after the KL penalty",
          s.reward_per_response);
  const double groups = s.groups > 0 ? static_cast<double>(s.groups) : 1;
  e.Gauge("zero_variance_group_ratio",
          "Share of prompts whose samples all scored alike",
          static_cast<double>(s.zero_variance_groups) / groups);
  const double responses =
      s.responses > 0 ? static_cast<double>(s.responses) : 1;
  e.Gauge("truncated_response_ratio", "Share that hit the length limit",
          static_cast<double>(s.truncated) / responses);
  e.Gauge("sample_staleness_versions_mean",
          "Mean of training version minus oldest sampling version",
          s.mean_staleness);
}

void ExportDivergences(const StepReport& r, Exporter& e) {
  const char* reference = "KL of the policy to the reference, nats";
  e.Gauge("reference_kl_nats", reference,
          r.experience.reference_kl_per_response,
          {{"estimator", "k1"}, {"per", "sequence"}});
  e.Gauge("reference_kl_nats", reference, r.experience.reference_kl_per_token,
          {{"estimator", "k3"}, {"per", "token"}});
  e.Gauge("update_kl_nats", "KL of the policy before to after the update",
          r.update.update_kl_k3, {{"estimator", "k3"}});
  e.Gauge("sampler_kl_nats",
          "KL of the sampler's policy to the trainer's, staleness included",
          r.experience.sampler_kl_per_token, {{"estimator", "k1"}});
  e.Gauge("sampler_logprob_gap_mean_nats",
          "Mean |log-prob difference| of sampled tokens, trainer against "
          "sampler, staleness included",
          r.experience.sampler_gap_mean);
  e.Gauge("entropy_nats", "Mean token entropy at temperature T",
          r.experience.entropy, {{"at", "rollout"}});
}

void ExportUpdate(const StepReport& r, const v1::RunConfig& config,
                  Exporter& e) {
  const UpdateStats& u = r.update;
  e.Gauge("loss", "Losses of the last step", u.policy_loss,
          {{"kind", "policy"}});
  e.Gauge("loss", "Losses of the last step", u.value_loss, {{"kind", "value"}});
  e.Gauge("clipped_token_ratio", "Share of tokens whose ratio was clipped",
          u.clip_low, {{"side", "low"}});
  e.Gauge("clipped_token_ratio", "Share of tokens whose ratio was clipped",
          u.clip_high, {{"side", "high"}});
  e.Gauge("gradient_norm", "Global gradient norm before clipping",
          u.gradient_norm, {{"model", "policy"}});
  e.Gauge("learning_rate", "Learning rate of the last step",
          config.ppo().learning_rate() * r.learning_rate_scale,
          {{"model", "policy"}});
  e.Gauge("kl_coefficient", "Beta of the KL penalty", r.kl_coefficient);
  e.Gauge("explained_variance_ratio",
          "Of the returns by the value head; may be negative",
          r.experience.explained_variance);
  e.Gauge("advantage_mean", "Mean advantage before whitening",
          r.experience.advantage.mean);
  e.Gauge("advantage_stddev",
          "Standard deviation of advantages before whitening",
          r.experience.advantage.deviation);
  e.Gauge("return_mean", "Mean return", r.experience.return_.mean);
  e.Gauge("value_mean", "Mean value", r.experience.value.mean);
}

void ExportTimes(const StageSeconds& s, Exporter& e) {
  const char* help = "Time of a step's stages on the learner";
  e.Time("step_duration_seconds", "Time of a step", s.total);
  e.Time("stage_duration_seconds", help, s.wait, {{"stage", "wait_batch"}});
  e.Time("stage_duration_seconds", help, s.experience,
         {{"stage", "experience"}});
  e.Time("stage_duration_seconds", help, s.update, {{"stage", "update"}});
  e.Time("stage_duration_seconds", help, s.publish, {{"stage", "publish"}});
}

}  // namespace

void ExportStep(const StepReport& report, const v1::RunConfig& config,
                MetricRegistry* metrics) {
  Exporter exporter(metrics);
  ExportCounts(report, exporter);
  ExportReward(report.experience, exporter);
  ExportDivergences(report, exporter);
  ExportUpdate(report, config, exporter);
  ExportTimes(report.seconds, exporter);
}

}  // namespace operant::learner
