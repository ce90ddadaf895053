#include "common/run/restart_policy.h"

#include <signal.h>

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace operant {
namespace {

// Whether starting the same command again would end the same way. A code that
// is none of ours (a user's server) is a failure like any other.
bool IsForGood(const ProcessExit& exit) {
  if (exit.signal != 0) return false;
  switch (static_cast<ExitCode>(exit.exit_code)) {
    case ExitCode::kDone:
    case ExitCode::kUsage:
    case ExitCode::kData:
    case ExitCode::kRewardUnavailable:  // its own retries are spent
    case ExitCode::kDiverged:
    case ExitCode::kConfig:
    case ExitCode::kInterrupted:
      return true;
    default:
      return false;
  }
}

absl::Duration PauseAfter(size_t failures, const RestartLimits& limits) {
  absl::Duration pause = limits.first_pause;
  for (size_t i = 1; i < failures && pause < limits.longest_pause; ++i)
    pause *= 2;
  return std::min(pause, limits.longest_pause);
}

RestartDecision GiveUp(const RestartLimits& limits, const ProcessExit& exit,
                       size_t failures) {
  return {.action = RestartDecision::Action::kGiveUp,
          .reason = absl::StrCat(
              exit.role, " failed ", failures, " times within ",
              absl::FormatDuration(limits.failure_window), ", last with ",
              DescribeExit(exit), "; run.max_failures=", limits.max_failures,
              ": see its log, then go on with --resume")};
}

}  // namespace

RestartLimits RestartLimitsOf(const v1::RunSection& run) {
  return {.max_failures = static_cast<int>(run.max_failures()),
          .failure_window = absl::Milliseconds(run.failure_window_ms())};
}

RestartDecision DecideRestart(const RestartLimits& limits,
                              const ProcessExit& exit, absl::Time now,
                              RestartState& state) {
  if (IsForGood(exit)) {
    return {
        .action = RestartDecision::Action::kOver,
        .reason = absl::StrCat(exit.role, " ended with ", DescribeExit(exit))};
  }
  std::deque<absl::Time>& failures = state.failures;
  while (!failures.empty() && failures.front() <= now - limits.failure_window)
    failures.pop_front();
  failures.push_back(now);
  if (failures.size() > static_cast<size_t>(limits.max_failures))
    return GiveUp(limits, exit, failures.size());
  const absl::Duration pause = PauseAfter(failures.size(), limits);
  return {.action = RestartDecision::Action::kStartAgain,
          .start_at = now + pause,
          .reason = absl::StrCat(exit.role, " ended with ", DescribeExit(exit),
                                 "; failure ", failures.size(), " of at most ",
                                 limits.max_failures, ", starts again in ",
                                 absl::FormatDuration(pause))};
}

ExitCode ExitCodeOf(const ProcessExit& exit) {
  if (exit.signal == SIGKILL) return ExitCode::kResumable;
  if (exit.signal != 0) return ExitCode::kBug;
  return static_cast<ExitCode>(exit.exit_code);
}

}  // namespace operant
