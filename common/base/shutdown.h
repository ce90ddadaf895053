// SIGINT and SIGTERM as a state that loops look at and waits wake up for.
#ifndef OPERANT_COMMON_BASE_SHUTDOWN_H_
#define OPERANT_COMMON_BASE_SHUTDOWN_H_

#include "absl/time/time.h"
#include "common/base/exit_code.h"

namespace operant {

enum class StopSignal { kNone, kInterrupt, kTerminate };

// Installs the handlers. A second signal of either kind ends the process at
// once with 128 + its number. Call once, at the start of main.
void InstallShutdownHandlers();

// Which signal came first. Async-signal-safe, thread-safe.
StopSignal ShutdownRequested();

// Sleeps; returns false at once when a signal came (or comes meanwhile).
bool SleepUnlessShutdown(absl::Duration duration);

// Acts as if `signal` had come (tests, and a coordinator saying "finished");
// kNone takes an earlier request back (tests).
void RequestShutdown(StopSignal signal);

// kInterrupted for kInterrupt, kResumable for kTerminate, else kDone.
ExitCode ExitCodeFor(StopSignal signal);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_SHUTDOWN_H_
