#include "common/base/health.h"

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

constexpr absl::Duration kLimit = absl::Minutes(1);

TEST(HealthTest, StartsNotStartedNotReadyButLive) {
  const Health health;
  EXPECT_FALSE(health.startup().ok);
  EXPECT_FALSE(health.ready().ok);
  EXPECT_EQ(health.ready().reason, "starting");
  EXPECT_TRUE(health.live(absl::Now() + absl::Hours(24)).ok);
}

TEST(HealthTest, SaysStartedAndReadyOnceTold) {
  Health health;
  health.SetStarted();
  health.SetReady(true, "serving version 3");
  EXPECT_TRUE(health.startup().ok);
  EXPECT_TRUE(health.ready().ok);
  EXPECT_EQ(health.ready().reason, "serving version 3");
  health.SetReady(false, "draining");
  EXPECT_FALSE(health.ready().ok);
}

TEST(HealthTest, SilenceBeyondTheLimitIsNotLive) {
  Health health;
  health.ExpectProgress(kLimit);
  EXPECT_TRUE(health.live(absl::Now()).ok);
  const Health::Verdict verdict = health.live(absl::Now() + 2 * kLimit);
  EXPECT_FALSE(verdict.ok);
  EXPECT_NE(verdict.reason.find("no progress for"), std::string::npos);
}

TEST(HealthTest, ProgressRenewsTheLimit) {
  Health health;
  health.ExpectProgress(absl::Milliseconds(1));
  absl::SleepFor(absl::Milliseconds(3));
  EXPECT_FALSE(health.live(absl::Now()).ok);
  const absl::Time before = absl::Now();
  health.Progress();
  EXPECT_TRUE(health.live(before + absl::Milliseconds(1)).ok);
}

TEST(HealthTest, IdlenessIsLiveUntilWorkBeginsAgain) {
  Health health;
  health.ExpectProgress(kLimit);
  health.Idle();
  EXPECT_TRUE(health.live(absl::Now() + 100 * kLimit).ok);
  health.Progress();
  EXPECT_FALSE(health.live(absl::Now() + 2 * kLimit).ok);
}

}  // namespace
}  // namespace operant
