#include "common/run/restart_policy.h"

#include <signal.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

using Action = RestartDecision::Action;
using testing::HasSubstr;

constexpr RestartLimits kLimits = {.max_failures = 3,
                                   .failure_window = absl::Seconds(60),
                                   .first_pause = absl::Seconds(1),
                                   .longest_pause = absl::Seconds(3)};

absl::Time At(double seconds) {
  return absl::UnixEpoch() + absl::Seconds(seconds);
}

ProcessExit Killed() { return {.role = "rollout-0", .signal = SIGKILL}; }
ProcessExit With(ExitCode code) {
  return {.role = "learner", .exit_code = static_cast<int>(code)};
}

TEST(RestartPolicyTest, PausesGrowUpToTheLimit) {
  RestartLimits limits = kLimits;
  limits.max_failures = 10;
  RestartState state;
  for (const double pause : {1, 2, 3, 3}) {
    const auto decision = DecideRestart(limits, Killed(), At(0), state);
    EXPECT_EQ(decision.action, Action::kStartAgain);
    EXPECT_EQ(decision.start_at, At(pause));
  }
}

TEST(RestartPolicyTest, GivesUpAfterMoreThanMaxFailuresWithinTheWindow) {
  RestartState state;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(DecideRestart(kLimits, Killed(), At(i), state).action,
              Action::kStartAgain);
  }
  const auto decision = DecideRestart(kLimits, Killed(), At(59), state);
  EXPECT_EQ(decision.action, Action::kGiveUp);
  EXPECT_THAT(decision.reason, HasSubstr("rollout-0 failed 4 times within 1m"));
  EXPECT_THAT(decision.reason, HasSubstr("signal 9"));
  EXPECT_THAT(decision.reason, HasSubstr("run.max_failures=3"));
}

TEST(RestartPolicyTest, ForgetsFailuresOlderThanTheWindow) {
  RestartState state;
  for (int i = 0; i < 3; ++i) DecideRestart(kLimits, Killed(), At(i), state);
  // The first, of 0 s, just left the window; the other two are in it.
  const auto decision = DecideRestart(kLimits, Killed(), At(60), state);
  EXPECT_EQ(decision.action, Action::kStartAgain);
  const auto later = DecideRestart(kLimits, Killed(), At(1000), state);
  EXPECT_EQ(later.start_at, At(1001));
}

TEST(RestartPolicyTest, StartsNothingAgainThatWouldEndTheSameWay) {
  for (const ExitCode code :
       {ExitCode::kDone, ExitCode::kUsage, ExitCode::kData,
        ExitCode::kRewardUnavailable, ExitCode::kDiverged, ExitCode::kConfig,
        ExitCode::kInterrupted}) {
    RestartState state;
    EXPECT_EQ(DecideRestart(kLimits, With(code), At(0), state).action,
              Action::kOver)
        << static_cast<int>(code);
    EXPECT_TRUE(state.failures.empty());
  }
}

TEST(RestartPolicyTest, StartsAgainWhatWasStoppedOrCrashed) {
  ProcessExit crashed = Killed();
  crashed.signal = SIGSEGV;
  ProcessExit foreign = With(static_cast<ExitCode>(1));
  for (const ProcessExit& exit :
       {With(ExitCode::kResumable), With(ExitCode::kBug), crashed, foreign}) {
    RestartState state;
    EXPECT_EQ(DecideRestart(kLimits, exit, At(0), state).action,
              Action::kStartAgain)
        << DescribeExit(exit);
  }
}

TEST(ExitCodeOfTest, AKilledProcessCanGoOnACrashedOneIsABug) {
  EXPECT_EQ(ExitCodeOf(Killed()), ExitCode::kResumable);
  ProcessExit crashed = Killed();
  crashed.signal = SIGABRT;
  EXPECT_EQ(ExitCodeOf(crashed), ExitCode::kBug);
  EXPECT_EQ(ExitCodeOf(With(ExitCode::kDiverged)), ExitCode::kDiverged);
}

}  // namespace
}  // namespace operant
