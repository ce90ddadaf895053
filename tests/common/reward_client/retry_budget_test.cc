#include "common/reward_client/retry_budget.h"

#include "gtest/gtest.h"

namespace operant {
namespace {

const absl::Time kStart = absl::UnixEpoch();

RetryBudget Budget() {
  RetryPolicy policy;
  policy.max_retries = 2;
  policy.initial_backoff = absl::Milliseconds(100);
  return RetryBudget(policy, absl::Seconds(10));
}

TEST(RetryBudgetTest, APresentServerGetsMaxRetries) {
  RetryBudget budget = Budget();
  EXPECT_EQ(budget.NextWait(false, kStart, 1), absl::Milliseconds(100));
  EXPECT_EQ(budget.NextWait(false, kStart, 1), absl::Milliseconds(200));
  EXPECT_EQ(budget.NextWait(false, kStart, 1), std::nullopt);
}

TEST(RetryBudgetTest, AnAbsentServerIsAwaitedForItsTime) {
  RetryBudget budget = Budget();
  for (int second = 0; second < 10; ++second) {
    EXPECT_TRUE(budget.NextWait(true, kStart + absl::Seconds(second), 0.5));
  }
  EXPECT_EQ(budget.NextWait(true, kStart + absl::Seconds(10), 0.5),
            std::nullopt);
}

TEST(RetryBudgetTest, AServerThatIsBackIsFoundWithinAQuarterOfASecond) {
  RetryBudget budget = Budget();
  for (int attempt = 0; attempt < 20; ++attempt) {
    const auto wait = budget.NextWait(true, kStart + absl::Seconds(1), 1);
    ASSERT_TRUE(wait.has_value());
    EXPECT_LE(*wait, absl::Milliseconds(250));
  }
}

TEST(RetryBudgetTest, EachAbsenceIsAwaitedAnewWithinTheRetries) {
  RetryBudget budget = Budget();
  EXPECT_TRUE(budget.NextWait(true, kStart, 1));
  EXPECT_TRUE(budget.NextWait(false, kStart + absl::Seconds(9), 1));
  EXPECT_TRUE(budget.NextWait(true, kStart + absl::Seconds(18), 1));
  EXPECT_TRUE(budget.NextWait(true, kStart + absl::Seconds(27), 1));
}

}  // namespace
}  // namespace operant
