#include "learner/learner_metrics.h"

#include <memory>
#include <string>

#include "common/base/config.h"
#include "common/base/metric_registration.h"
#include "common/base/metrics_text.h"
#include "gtest/gtest.h"
#include "learner/buffer_metrics.h"

namespace operant::learner {
namespace {

class LearnerMetricsTest : public testing::Test {
 protected:
  LearnerMetricsTest() {
    ResolveDefaults(config_);
    RegisterMetrics(MetricRole::kLearner, 1000, metrics_.get());
    report_.step = 3;
    report_.step_responses = 2;
    report_.step_tokens = 5;
    report_.update.optimizer_steps = 1;
    report_.update.kept_responses = 1;
    report_.experience.score.mean = 0.5;
  }

  // Two responses of 2 and 3 tokens to a prompt of 4, sampled with versions 2
  // and 1.
  ScoredBatch Batch() {
    ScoredBatch batch;
    row_.prompt_token_ids = {1, 2, 3, 4};
    for (const int tokens : {2, 3}) {
      v1::Trajectory t;
      for (int i = 0; i < tokens; ++i) t.add_response_token_ids(7);
      v1::VersionSpan& span = *t.add_versions();
      span.set_policy_version(4 - tokens);
      span.set_tokens(tokens);
      batch.trajectories.push_back(t);
      batch.rows.push_back(&row_);
    }
    return batch;
  }

  MetricsPage Step() {
    ExportStep(report_, Batch(), config_, metrics_.get());
    return MetricsPage::Parse(metrics_->Serialize());
  }

  v1::RunConfig config_;
  PromptRow row_;
  StepReport report_;
  std::unique_ptr<MetricRegistry> metrics_ = MetricRegistry::Create();
};

TEST_F(LearnerMetricsTest, CountsWhatAStepWasMadeOf) {
  const MetricsPage page = Step();
  EXPECT_EQ(page.Find("operant_learner_steps_total"), 1);
  EXPECT_EQ(page.Find("operant_learner_samples_total"), 2);
  EXPECT_EQ(page.Find("operant_learner_tokens_total", {{"kind", "response"}}),
            5);
  EXPECT_EQ(page.Find("operant_learner_tokens_total", {{"kind", "prompt"}}), 8);
  EXPECT_EQ(page.Find("operant_learner_response_tokens_sum"), 5);
  EXPECT_EQ(page.Find("operant_learner_sample_staleness_versions_bucket",
                      {{"le", "0"}}),
            1)
      << "one was sampled with the version that is trained";
  EXPECT_EQ(page.Find("operant_learner_sample_staleness_versions_sum"), 1);
  EXPECT_EQ(page.Find("operant_learner_dropped_samples_total",
                      {{"reason", "not_selected"}}),
            1);
}

TEST_F(LearnerMetricsTest, ASkippedStepHasNoFigures) {
  report_.skip = StepSkip::kNonFinite;
  const MetricsPage page = Step();
  EXPECT_EQ(page.Find("operant_learner_reward_mean"), std::nullopt);
  EXPECT_EQ(page.Find("operant_learner_skipped_steps_total",
                      {{"reason", "non_finite_experience"}}),
            1);
  EXPECT_EQ(page.Find("operant_learner_dropped_samples_total",
                      {{"reason", "skipped_step"}}),
            2);
}

TEST_F(LearnerMetricsTest, LossAndGradientAreToldApart) {
  report_.update.skipped_steps = 3;
  report_.update.non_finite_losses = 1;
  const MetricsPage page = Step();
  const char* name = "operant_learner_skipped_steps_total";
  EXPECT_EQ(page.Find(name, {{"reason", "non_finite_loss"}}), 1);
  EXPECT_EQ(page.Find(name, {{"reason", "non_finite_gradient"}}), 2);
}

TEST_F(LearnerMetricsTest, LimitsAreThoseOfTheRun) {
  ExportRun(config_, absl::FromUnixSeconds(1000), metrics_.get());
  MetricsPage page = MetricsPage::Parse(metrics_->Serialize());
  const char* limit = "operant_alert_threshold";
  EXPECT_EQ(page.Find(limit, {{"name", "reference_kl"}}), 50);
  EXPECT_EQ(page.Find(limit, {{"name", "checkpoint_age_seconds"}}),
            std::nullopt)
      << "this run writes checkpoints only at its end";
  config_.mutable_checkpoint()->set_every_steps(5);
  ExportRun(config_, absl::FromUnixSeconds(1000), metrics_.get());
  page = MetricsPage::Parse(metrics_->Serialize());
  EXPECT_EQ(page.Find(limit, {{"name", "checkpoint_age_seconds"}}), 7200);
  EXPECT_EQ(page.Find("operant_checkpoint_last_success_timestamp_seconds"),
            1000);
}

TEST(BufferMetricsTest, ResponsesMoveFromStateToState) {
  const auto metrics = MetricRegistry::Create();
  BufferMetrics buffer(metrics.get(), 20);
  auto state = [&](const char* name) {
    return MetricsPage::Parse(metrics->Serialize())
        .Find("operant_buffer_samples", {{"state", name}});
  };
  buffer.Leased(10);
  EXPECT_EQ(state("leased"), 10);
  buffer.Generated(10);
  buffer.Leased(10);
  buffer.Scored(10);
  EXPECT_EQ(state("leased"), 10);
  EXPECT_EQ(state("awaiting_reward"), 0);
  EXPECT_EQ(state("ready"), 10);
  buffer.Taken(10, absl::Seconds(3));
  EXPECT_EQ(state("ready"), 0);
  EXPECT_EQ(MetricsPage::Parse(metrics->Serialize())
                .Find("operant_buffer_batch_age_seconds_sum"),
            3);
}

TEST(BufferMetricsTest, NobodyNeedsToLook) {
  BufferMetrics buffer(nullptr, 20);
  buffer.Leased(10);
  buffer.Taken(10, absl::Seconds(1));
}

}  // namespace
}  // namespace operant::learner
