#include "common/reward_client/circuit_breaker.h"

#include "common/reward_client/adaptive_limit.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

const absl::Time kStart = absl::UnixEpoch();

CircuitBreaker OpenAt(absl::Time now) {
  CircuitBreaker breaker(3);
  for (int i = 0; i < 3; ++i) breaker.Failed(now);
  return breaker;
}

TEST(CircuitBreakerTest, StaysClosedBelowTheLimit) {
  CircuitBreaker breaker(3);
  for (int i = 0; i < 10; ++i) {
    breaker.Failed(kStart);
    breaker.Failed(kStart);
    breaker.Succeeded();
  }
  EXPECT_FALSE(breaker.open());
  EXPECT_EQ(breaker.Admit(kStart), absl::ZeroDuration());
}

TEST(CircuitBreakerTest, OpensAndLetsOneCallGoEachPause) {
  CircuitBreaker breaker = OpenAt(kStart);
  const absl::Duration pause = breaker.Admit(kStart);
  EXPECT_GT(pause, absl::ZeroDuration());
  const absl::Time later = kStart + pause;
  EXPECT_EQ(breaker.Admit(later), absl::ZeroDuration());
  EXPECT_EQ(breaker.Admit(later), pause);
}

TEST(CircuitBreakerTest, PausesGrowUpToAQuarterOfASecond) {
  CircuitBreaker breaker = OpenAt(kStart);
  absl::Time now = kStart;
  absl::Duration last;
  for (int i = 0; i < 10; ++i) {
    const absl::Duration pause = breaker.Admit(now);
    EXPECT_GE(pause, last);
    last = pause;
    now += pause;
    EXPECT_EQ(breaker.Admit(now), absl::ZeroDuration());
    breaker.Failed(now);
  }
  EXPECT_EQ(last, absl::Milliseconds(250));
}

TEST(CircuitBreakerTest, OneGoodCallClosesIt) {
  CircuitBreaker breaker = OpenAt(kStart);
  breaker.Succeeded();
  EXPECT_EQ(breaker.Admit(kStart), absl::ZeroDuration());
  breaker.Failed(kStart);
  EXPECT_FALSE(breaker.open());
}

TEST(CircuitBreakerTest, NeverOpensWithoutALimit) {
  CircuitBreaker breaker(0);
  for (int i = 0; i < 100; ++i) breaker.Failed(kStart);
  EXPECT_FALSE(breaker.open());
}

TEST(AdaptiveLimitTest, OverloadCutsOnceARoundAndSuccessRaisesAgain) {
  AdaptiveLimit limit(9);
  EXPECT_EQ(limit.limit(), 9);
  limit.Overloaded(kStart);
  limit.Overloaded(kStart + absl::Milliseconds(1));
  EXPECT_EQ(limit.limit(), 6);
  for (int i = 0; i < 7; ++i) limit.Succeeded();  // one round and a bit
  EXPECT_EQ(limit.limit(), 7);
  for (int i = 0; i < 100; ++i) limit.Succeeded();
  EXPECT_EQ(limit.limit(), 9);
}

TEST(AdaptiveLimitTest, NeverFallsBelowOne) {
  AdaptiveLimit limit(4);
  for (int i = 0; i < 20; ++i) limit.Overloaded(kStart + i * absl::Seconds(1));
  EXPECT_EQ(limit.limit(), 1);
}

}  // namespace
}  // namespace operant
