// Whether what ended is started again, and when: the pure half of the local
// supervisor. No processes, clocks or files.
//
//   running --failed--> pausing --pause over--> running
//      |                   (twice as long each time, up to a limit)
//      +--done, or failed for good--> over
//      +--failed too often in a window--> given up
#ifndef OPERANT_COMMON_RUN_RESTART_POLICY_H_
#define OPERANT_COMMON_RUN_RESTART_POLICY_H_

#include <deque>
#include <string>

#include "absl/time/time.h"
#include "common/base/exit_code.h"
#include "common/run/child_process.h"
#include "operant/v1/config.pb.h"

namespace operant {

struct RestartLimits {
  int max_failures = 5;  // started again that often within the window
  absl::Duration failure_window = absl::Minutes(10);
  // The first failure costs no more than this: most are cured by a restart.
  absl::Duration first_pause = absl::Milliseconds(250);
  absl::Duration longest_pause = absl::Seconds(30);
};

// run.max_failures and run.failure_window_ms of a resolved section.
RestartLimits RestartLimitsOf(const v1::RunSection& run);

// Of one unit (process_keeper.h): when it failed, the oldest first.
struct RestartState {
  std::deque<absl::Time> failures;
};

struct RestartDecision {
  enum class Action {
    kStartAgain,  // at start_at
    kOver,        // it is done, or starting it again would end the same way
    kGiveUp,      // it failed too often
  };
  Action action = Action::kOver;
  absl::Time start_at = absl::InfiniteFuture();
  std::string reason;  // for people: what ended, how, what follows from it
};

// Of the end `exit` at `now` (any clock that does not jump).
RestartDecision DecideRestart(const RestartLimits& limits,
                              const ProcessExit& exit, absl::Time now,
                              RestartState& state);

// What the process says of how it ended; kResumable for SIGKILL (somebody, or
// the kernel for want of memory, killed it), kBug for any other signal.
ExitCode ExitCodeOf(const ProcessExit& exit);

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_RESTART_POLICY_H_
