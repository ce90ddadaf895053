#include "common/run/top_view.h"

#include <string>

#include "common/base/metric_families.h"
#include "common/base/metrics.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class TopViewTest : public testing::Test {
 protected:
  // A learner at `step` and a worker that serves `version`.
  std::string Look(double step, double version, int columns = 200) {
    learner_->Get(metric::kLearnerRewardMean).Set(step / 10);
    learner_->Get(metric::kWeightsPublishedVersion).Set(step);
    learner_->Get(metric::kLearnerStepsTotal).Increment();
    learner_->Get(metric::kLearnerStageDurationSeconds, {"update"}).Observe(3);
    learner_->Get(metric::kLearnerStageDurationSeconds, {"publish"}).Observe(1);
    worker_->Get(metric::kWeightsServingVersion).Set(version);
    worker_->Get(metric::kRolloutTokensTotal, {"generated"}).Increment(500);
    now_ += absl::Seconds(10);
    return view_.Render({{{"h:1", "learner", "learner"}, Page(*learner_), ""},
                         {{"h:2", "rollout", "rollout-0"}, Page(*worker_), ""},
                         {{"h:3", "rollout", "rollout-1"}, {}, "no answer"}},
                        now_, columns);
  }
  static MetricsPage Page(MetricRegistry& registry) {
    return MetricsPage::Parse(registry.Serialize());
  }

  std::unique_ptr<MetricRegistry> learner_ = MetricRegistry::Create();
  std::unique_ptr<MetricRegistry> worker_ = MetricRegistry::Create();
  TopView view_{/*colour=*/false};
  absl::Time now_ = absl::FromUnixSeconds(1000);
};

TEST_F(TopViewTest, ShowsFiguresRatesAndStagesSinceTheLastLook) {
  EXPECT_THAT(Look(1, 1), HasSubstr("no step finished since the last look"));
  const std::string screen = Look(2, 2);
  EXPECT_THAT(screen, HasSubstr("version 2"));
  EXPECT_THAT(screen, HasSubstr("0.200"));
  EXPECT_THAT(screen, HasSubstr("update ██████████████████████████████ 75%"));
  EXPECT_THAT(screen, HasSubstr("50 tokens/s"));
}

TEST_F(TopViewTest, DrawsHowTheScoreMoved) {
  Look(1, 1);
  Look(2, 2);
  EXPECT_THAT(Look(3, 3), HasSubstr("▁▅█"));
}

TEST_F(TopViewTest, SaysWhichProcessDoesNotAnswer) {
  EXPECT_THAT(Look(1, 1), HasSubstr("rollout-1    h:3                   no"));
}

TEST_F(TopViewTest, WhatIsNotExportedYetIsADash) {
  EXPECT_THAT(Look(1, 1), HasSubstr("KL ref     - nats"));
}

TEST_F(TopViewTest, NoLineIsWiderThanTheTerminal) {
  const std::string screen = Look(1, 1, /*columns=*/20);
  EXPECT_THAT(screen, Not(HasSubstr("no step finished")));
  EXPECT_THAT(screen, HasSubstr("  rollout-1    h:3  \n"));
}

TEST_F(TopViewTest, ARunWithoutALearnerIsSaidToBeSo) {
  EXPECT_THAT(view_.Render({}, now_, 80), HasSubstr("no learner answers"));
}

TEST(ScrapeTargetsTest, AreReadBackAsTheyWereWritten) {
  const std::vector<ScrapeTarget> targets = {{"h:1", "learner", "learner"},
                                             {"[::1]:2", "rollout", "w \"0\""}};
  const auto read = ParseScrapeTargets(ScrapeTargetsJson("demo", targets));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, targets);
}

TEST(ScrapeTargetsTest, AProcessWithoutAnAddressIsNoTarget) {
  EXPECT_EQ(
      ParseScrapeTargets(ScrapeTargetsJson("demo", {{"", "a", "b"}}))->size(),
      0u);
}

TEST(ScrapeTargetsTest, AnythingElseIsDataLoss) {
  for (const char* text : {"", "{", "[1]", "{\"a\":1}", "[{\"targets\":1}]",
                           "[{\"targets\":[1],\"labels\":{}}]"}) {
    EXPECT_EQ(ParseScrapeTargets(text).status().code(),
              absl::StatusCode::kDataLoss)
        << text;
  }
}

}  // namespace
}  // namespace operant
