// The process exit codes of every verb: one table, documented to users.
#ifndef OPERANT_COMMON_BASE_EXIT_CODE_H_
#define OPERANT_COMMON_BASE_EXIT_CODE_H_

#include "absl/status/status.h"

namespace operant {

enum class ExitCode : int {
  kDone = 0,
  kUsage = 64,              // the command line is wrong
  kData = 65,               // a file's contents are wrong
  kRewardUnavailable = 69,  // no reward server answers
  kBug = 70,                // our fault
  kResumable = 75,          // stopped, --resume goes on (SIGTERM after a save)
  kDiverged = 76,           // a limit of `stop:` was passed
  kConfig = 78,             // configuration, or a missing model or data file
  kInterrupted = 130,       // SIGINT after a save
};

// Marks `status` so that ExitCodeFor() returns `code` for it, whatever its
// canonical code. The mark is a payload: it survives annotation and StatusOr.
absl::Status WithExitCode(absl::Status status, ExitCode code);

// The code of a status: its mark if it has one; otherwise by canonical code:
// OK 0; InvalidArgument, NotFound, FailedPrecondition, OutOfRange,
// AlreadyExists 78; DataLoss 65; Unavailable, DeadlineExceeded, Aborted,
// ResourceExhausted, Cancelled 75; anything else 70.
ExitCode ExitCodeFor(const absl::Status& status);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_EXIT_CODE_H_
