#include "common/base/retry.h"

#include <vector>

#include "common/base/exit_code.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

bool SleepNot(absl::Duration) { return true; }

TEST(RetryTest, BackoffGrowsToItsLimitAndScalesWithJitter) {
  const RetryPolicy policy;  // 50 ms, doubling, at most 5 s
  EXPECT_EQ(BackoffBefore(policy, 1, 1), absl::Milliseconds(50));
  EXPECT_EQ(BackoffBefore(policy, 3, 1), absl::Milliseconds(200));
  EXPECT_EQ(BackoffBefore(policy, 3, 0.5), absl::Milliseconds(100));
  EXPECT_EQ(BackoffBefore(policy, 3, 0), absl::ZeroDuration());
  EXPECT_EQ(BackoffBefore(policy, 5000, 1), absl::Seconds(5));
}

TEST(RetryTest, OnlyPassingTroubleIsRetryable) {
  EXPECT_TRUE(IsRetryable(absl::UnavailableError("")));
  EXPECT_TRUE(IsRetryable(absl::DeadlineExceededError("")));
  EXPECT_TRUE(IsRetryable(absl::ResourceExhaustedError("")));
  EXPECT_TRUE(IsRetryable(absl::AbortedError("")));
  EXPECT_FALSE(IsRetryable(absl::OkStatus()));
  EXPECT_FALSE(IsRetryable(absl::InvalidArgumentError("")));
  EXPECT_FALSE(IsRetryable(absl::InternalError("")));
}

TEST(RetryTest, StopsAtTheFirstSuccess) {
  int calls = 0;
  const absl::Status status = Retry(
      {},
      [&] {
        return ++calls < 3 ? absl::UnavailableError("x") : absl::OkStatus();
      },
      SleepNot);
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(calls, 3);
}

TEST(RetryTest, AFaultThatStaysIsNotTriedAgain) {
  int calls = 0;
  const absl::Status status = Retry(
      {},
      [&] {
        ++calls;
        return absl::InvalidArgumentError("bad");
      },
      SleepNot);
  EXPECT_EQ(status, absl::InvalidArgumentError("bad"));
  EXPECT_EQ(calls, 1);
}

TEST(RetryTest, SpentRetriesNameTheAttemptsAndKeepTheMark) {
  std::vector<absl::Duration> waits;
  const absl::Status status = Retry(
      {.max_retries = 2},
      [] {
        return WithExitCode(absl::UnavailableError("down"),
                            ExitCode::kRewardUnavailable);
      },
      [&](absl::Duration wait) {
        waits.push_back(wait);
        return true;
      });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), "down; gave up after 3 attempts");
  EXPECT_EQ(ExitCodeFor(status), ExitCode::kRewardUnavailable);
  ASSERT_EQ(waits.size(), 2u);
  EXPECT_LE(waits[0], absl::Milliseconds(50));
  EXPECT_LE(waits[1], absl::Milliseconds(100));
}

TEST(RetryTest, GivesUpWhenSleepIsInterrupted) {
  int calls = 0;
  const absl::Status status = Retry(
      {},
      [&] {
        ++calls;
        return absl::AbortedError("x");
      },
      [](absl::Duration) { return false; });
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace operant
