#include "learner/learner_metrics.h"

#include <filesystem>
#include <string>

#include "absl/time/clock.h"
#include "common/base/config.h"
#include "common/base/digest.h"
#include "common/base/metric_families.h"
#include "learner/admission.h"

namespace operant::learner {
namespace {

constexpr size_t kDigestDigits = 12;

double Share(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

void ExportCounts(const StepReport& r, MetricRegistry& m) {
  m.Get(metric::kLearnerStepsTotal).Increment();
  const auto applied = static_cast<double>(r.update.optimizer_steps);
  m.Get(metric::kLearnerOptimizerStepsTotal, {"policy"}).Increment(applied);
  m.Get(metric::kLearnerOptimizerStepsTotal, {"value"}).Increment(applied);
  m.Get(metric::kLearnerSamplesTotal)
      .Increment(static_cast<double>(r.step_responses));
  m.Get(metric::kLearnerTokensTotal, {"response"})
      .Increment(static_cast<double>(r.step_tokens));
  m.Get(metric::kLearnerLastStepTimestampSeconds).Set(UnixSeconds(absl::Now()));
}

void ExportSkips(const StepReport& r, MetricRegistry& m) {
  auto skipped = [&m](const char* reason, int64_t steps) {
    m.Get(metric::kLearnerSkippedStepsTotal, {reason})
        .Increment(static_cast<double>(steps));
  };
  if (r.skip == StepSkip::kNonFinite)
    return skipped("non_finite_experience", 1);
  if (r.skip == StepSkip::kEmpty) return skipped("empty_batch", 1);
  skipped("non_finite_loss", r.update.non_finite_losses);
  skipped("non_finite_gradient",
          r.update.skipped_steps - r.update.non_finite_losses);
}

void ExportDrops(const StepReport& r, MetricRegistry& m) {
  auto dropped = [&m](const char* reason, int64_t samples) {
    m.Get(metric::kLearnerDroppedSamplesTotal, {reason})
        .Increment(static_cast<double>(samples));
  };
  if (r.skip != StepSkip::kNone)
    return dropped("skipped_step", r.step_responses);
  dropped("reward_error", r.experience.dropped);
  dropped("ignored", r.experience.ignored);
  dropped("not_selected", r.step_responses - r.experience.dropped -
                              r.experience.ignored - r.update.kept_responses);
}

void ExportReward(const ExperienceStats& s, MetricRegistry& m) {
  m.Get(metric::kLearnerRewardMean).Set(s.score.mean);
  m.Get(metric::kLearnerRewardStddev).Set(s.score.deviation);
  for (const auto& [name, mean] : s.components)
    m.Get(metric::kLearnerRewardComponentMean, {name}).Set(mean);
  m.Get(metric::kLearnerShapedRewardMean).Set(s.reward_per_response);
  m.Get(metric::kLearnerZeroVarianceGroupRatio)
      .Set(Share(s.zero_variance_groups, s.groups));
  m.Get(metric::kLearnerTruncatedResponseRatio)
      .Set(Share(s.truncated, s.responses));
}

void ExportDivergences(const StepReport& r, MetricRegistry& m) {
  const ExperienceStats& e = r.experience;
  m.Get(metric::kLearnerReferenceKlNats, {"k1", "sequence"})
      .Set(e.reference_kl_per_response);
  m.Get(metric::kLearnerReferenceKlNats, {"k3", "token"})
      .Set(e.reference_kl_per_token);
  m.Get(metric::kLearnerUpdateKlNats, {"k1"}).Set(r.update.update_kl_k1);
  m.Get(metric::kLearnerUpdateKlNats, {"k2"}).Set(r.update.update_kl_k2);
  m.Get(metric::kLearnerUpdateKlNats, {"k3"}).Set(r.update.update_kl_k3);
  m.Get(metric::kLearnerSamplerKlNats, {"k1"}).Set(e.sampler_kl_per_token);
  auto gap = [&m](const char* stat, double nats) {
    m.Get(metric::kLearnerSamplerLogprobGapNats, {stat}).Set(nats);
  };
  gap("mean", e.sampler_gap_mean);
  gap("p99", e.sampler_gap_p99);
  gap("max", e.sampler_gap_max);
  m.Get(metric::kLearnerTruncatedImportanceWeightRatio)
      .Set(e.importance_truncated);
  m.Get(metric::kLearnerEntropyNats, {"rollout"}).Set(e.entropy);
  m.Get(metric::kLearnerEntropyNats, {"update"}).Set(r.update.entropy);
}

void ExportUpdate(const UpdateStats& u, const v1::PpoSection& ppo,
                  MetricRegistry& m) {
  m.Get(metric::kLearnerLoss, {"policy"}).Set(u.policy_loss);
  m.Get(metric::kLearnerLoss, {"value"}).Set(u.value_loss);
  m.Get(metric::kLearnerLoss, {"total"})
      .Set(u.policy_loss + ppo.value_coefficient() * u.value_loss -
           ppo.entropy_coefficient() * u.entropy);
  m.Get(metric::kLearnerClippedTokenRatio, {"low"}).Set(u.clip_low);
  m.Get(metric::kLearnerClippedTokenRatio, {"high"}).Set(u.clip_high);
  m.Get(metric::kLearnerGradientNorm).Set(u.gradient_norm);
}

void ExportCritic(const ExperienceStats& e, MetricRegistry& m) {
  m.Get(metric::kLearnerExplainedVarianceRatio).Set(e.explained_variance);
  m.Get(metric::kLearnerAdvantageMean).Set(e.advantage.mean);
  m.Get(metric::kLearnerAdvantageStddev).Set(e.advantage.deviation);
  m.Get(metric::kLearnerReturnMean).Set(e.return_.mean);
  m.Get(metric::kLearnerValueMean).Set(e.value.mean);
}

void ExportSettings(const StepReport& r, const v1::PpoSection& ppo,
                    MetricRegistry& m) {
  m.Get(metric::kLearnerLearningRate, {"policy"})
      .Set(ppo.learning_rate() * r.learning_rate_scale);
  m.Get(metric::kLearnerLearningRate, {"value"})
      .Set(ppo.value_learning_rate() * r.learning_rate_scale);
  m.Get(metric::kLearnerKlCoefficient).Set(r.kl_coefficient);
  m.Get(metric::kLearnerFaultyResponseRatio).Set(r.haywire);
}

void ExportTimes(const StageSeconds& s, MetricRegistry& m) {
  m.Get(metric::kLearnerStepDurationSeconds).Observe(s.total);
  m.Get(metric::kLearnerGenerateDurationSeconds).Observe(s.generate);
  m.Get(metric::kLearnerScoreDurationSeconds).Observe(s.score);
  auto stage = [&m](const char* name, double seconds) {
    m.Get(metric::kLearnerStageDurationSeconds, {name}).Observe(seconds);
  };
  stage("wait_batch", s.wait);
  stage("experience", s.experience);
  stage("update", s.update);
  stage("publish", s.publish);
}

// What is told per response, not per step.
void ExportResponses(const ScoredBatch& batch, uint64_t version,
                     MetricRegistry& m) {
  Histogram& responses = m.Get(metric::kLearnerResponseTokens);
  Histogram& prompts = m.Get(metric::kLearnerPromptTokens);
  Histogram& staleness = m.Get(metric::kLearnerSampleStalenessVersions);
  double prompt_tokens = 0;
  for (size_t i = 0; i < batch.trajectories.size(); ++i) {
    const v1::Trajectory& t = batch.trajectories[i];
    const auto prompt =
        static_cast<double>(batch.rows[i]->prompt_token_ids.size());
    responses.Observe(t.response_token_ids_size());
    prompts.Observe(prompt);
    prompt_tokens += prompt;
    staleness.Observe(static_cast<double>(version) -
                      static_cast<double>(OldestVersion(t)));
  }
  m.Get(metric::kLearnerTokensTotal, {"prompt"}).Increment(prompt_tokens);
}

void SetThreshold(const char* name, double value, MetricRegistry& m) {
  m.Get(metric::kAlertThreshold, {name}).Set(value);
}

}  // namespace

void ExportRun(const v1::RunConfig& config, absl::Time now,
               MetricRegistry* metrics) {
  const std::string digest = Hex(Sha256(ConfigToYaml(config)));
  metrics
      ->Get(metric::kRunInfo,
            {config.run().name(), "ppo",
             std::filesystem::path(config.model().path()).filename().string(),
             digest.substr(0, kDigestDigits)})
      .Set(1);
  const v1::AlertSection& alert = config.alert();
  SetThreshold("reference_kl", alert.reference_kl(), *metrics);
  SetThreshold("step_stall_seconds", alert.step_stall_seconds(), *metrics);
  SetThreshold("weight_lag", alert.weight_lag_versions(), *metrics);
  if (config.checkpoint().every_steps() == 0) return;
  SetThreshold("checkpoint_age_seconds", alert.checkpoint_age_seconds(),
               *metrics);
  metrics->Get(metric::kCheckpointLastSuccessTimestampSeconds)
      .Set(UnixSeconds(now));
}

void ExportStep(const StepReport& report, const ScoredBatch& batch,
                const v1::RunConfig& config, MetricRegistry* metrics) {
  ExportCounts(report, *metrics);
  ExportSkips(report, *metrics);
  ExportDrops(report, *metrics);
  ExportSettings(report, config.ppo(), *metrics);
  ExportTimes(report.seconds, *metrics);
  ExportResponses(batch, report.step - 1, *metrics);
  // The figures of a skipped step are no figures.
  if (report.skip != StepSkip::kNone) return;
  ExportReward(report.experience, *metrics);
  ExportDivergences(report, *metrics);
  ExportUpdate(report.update, config.ppo(), *metrics);
  ExportCritic(report.experience, *metrics);
}

void ExportEvaluation(const EvaluationSummary& summary, absl::Duration took,
                      MetricRegistry* metrics) {
  metrics->Get(metric::kEvalScoreMean, {"eval_prompts"})
      .Set(summary.mean_score);
  metrics->Get(metric::kEvalPassRatio, {"eval_prompts", "1"})
      .Set(1 - summary.rate);
  metrics->Get(metric::kEvalLastRunTimestampSeconds, {"eval_prompts"})
      .Set(UnixSeconds(absl::Now()));
  metrics->Get(metric::kLearnerStageDurationSeconds, {"evaluation"})
      .Observe(absl::ToDoubleSeconds(took));
}

void ExportCheckpoint(double bytes, absl::Duration took,
                      MetricRegistry* metrics) {
  const double seconds = absl::ToDoubleSeconds(took);
  metrics->Get(metric::kCheckpointLastSuccessTimestampSeconds)
      .Set(UnixSeconds(absl::Now()));
  metrics->Get(metric::kCheckpointDurationSeconds).Observe(seconds);
  metrics->Get(metric::kLearnerStageDurationSeconds, {"checkpoint"})
      .Observe(seconds);
  metrics->Get(metric::kCheckpointBytes).Set(bytes);
}

}  // namespace operant::learner
