#include "common/base/metrics_text.h"

#include <string>

#include "common/base/metric_families.h"
#include "common/base/metric_registration.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

TEST(MetricsTextTest, ReadsBackWhatTheRegistryWrites) {
  const auto registry = MetricRegistry::Create();
  registry->Get(metric::kRolloutTokensTotal, {"prompt"}).Increment(3);
  registry->Get(metric::kRolloutTokensTotal, {"generated"}).Increment(4.5);
  registry->Get(metric::kRewardPendingItems, {"a \"b\"\\\n{c}"}).Set(-1e-9);
  registry->Get(metric::kRolloutDecodeBatchSequences).Observe(5);
  const MetricsPage page = MetricsPage::Parse(registry->Serialize());
  EXPECT_EQ(page.Find("operant_rollout_tokens_total", {{"kind", "generated"}}),
            4.5);
  EXPECT_EQ(page.Sum("operant_rollout_tokens_total"), 7.5);
  EXPECT_EQ(page.Find("operant_reward_pending_items",
                      {{"endpoint", "a \"b\"\\\n{c}"}}),
            -1e-9);
  EXPECT_EQ(
      page.Find("operant_rollout_decode_batch_sequences_bucket", {{"le", "8"}}),
      1);
  EXPECT_EQ(page.Find("operant_absent"), std::nullopt);
  EXPECT_EQ(page.Sum("operant_absent"), 0);
}

TEST(MetricsTextTest, LeavesOutWhatIsNoSample) {
  const MetricsPage page = MetricsPage::Parse(
      "# HELP a b\n\na{x=\"1\n<html>\nb{x=} 2\nc one\nd 4 1700000000\ne 5");
  ASSERT_EQ(page.samples().size(), 2u);
  EXPECT_EQ(page.Find("d"), 4);
  EXPECT_EQ(page.Find("e"), 5);
}

TEST(MetricsTextTest, AnyBytesAreReadToTheirEnd) {
  const std::string text = "a{b=\"c\\n\\\"\",d=\"e\"} 1 2\n\xff\xfe{}";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    MetricsPage::Parse(text.substr(0, cut));
    MetricsPage::Parse(text.substr(cut));
  }
}

TEST(MetricRegistrationTest, CountersAndTimeStampsStartWithTheProcess) {
  const auto registry = MetricRegistry::Create();
  RegisterMetrics(MetricRole::kLearner, 1000, registry.get());
  const MetricsPage page = MetricsPage::Parse(registry->Serialize());
  EXPECT_EQ(page.Find("operant_learner_skipped_steps_total",
                      {{"reason", "non_finite_loss"}}),
            0);
  EXPECT_EQ(page.Find("operant_learner_last_step_timestamp_seconds"), 1000);
  EXPECT_EQ(page.Find("operant_learner_reward_mean"), std::nullopt)
      << "there is none before the first step";
  EXPECT_EQ(page.Find("operant_rollout_running_sequences"), std::nullopt)
      << "another role's";
}

TEST(MetricRegistrationTest, EveryRoleSaysWhatWasBuilt) {
  for (const MetricRole role :
       {MetricRole::kLearner, MetricRole::kRollout, MetricRole::kReward}) {
    const MetricsPage page =
        MetricsPage::Parse(CreateMetricsFor(role)->Serialize());
    EXPECT_EQ(page.Find("operant_build_info"), 1);
  }
}

TEST(MetricRegistryTest, ARemovedGaugeIsExportedNoMore) {
  const auto registry = MetricRegistry::Create();
  registry->Get(metric::kRewardPendingItems, {"a"}).Set(1);
  registry->Get(metric::kRewardPendingItems, {"b"}).Set(2);
  registry->Remove(metric::kRewardPendingItems, {"a"});
  registry->Remove(metric::kRewardPendingItems, {"never there"});
  EXPECT_EQ(MetricsPage::Parse(registry->Serialize())
                .Sum("operant_reward_pending_items"),
            2);
  registry->Get(metric::kRewardPendingItems, {"a"}).Set(5);
  EXPECT_EQ(MetricsPage::Parse(registry->Serialize())
                .Sum("operant_reward_pending_items"),
            7);
}

}  // namespace
}  // namespace operant
