// Starts, watches and stops the processes of a run on this machine. Mechanism
// only: what a death means is decided by its caller (local_training.h).
#ifndef OPERANT_COMMON_RUN_SUPERVISOR_H_
#define OPERANT_COMMON_RUN_SUPERVISOR_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/run/announcement.h"
#include "common/run/child_process.h"

namespace operant {

// Not thread-safe; its processes die with the thread that started them.
class Supervisor {
 public:
  Supervisor() = default;
  ~Supervisor() = default;  // kills what still runs

  absl::Status Start(const ProcessSpec& spec);

  // Waits until `role` has written `announce_path`. Errors: the process ended
  // first (the status says how, with the last lines of its log, and carries its
  // exit code); Cancelled (SIGINT or SIGTERM came); DeadlineExceeded.
  absl::StatusOr<Announcement> WaitServing(const std::string& role,
                                           const std::string& announce_path,
                                           absl::Duration timeout);

  // Waits until `is_ready` says so, asked every now and then; else as
  // WaitServing.
  absl::Status WaitReady(const std::string& role,
                         const std::function<bool()>& is_ready,
                         absl::Duration timeout);

  // Returns the next process that ended, and forgets it; or nothing, at
  // `deadline` or when SIGINT or SIGTERM came meanwhile.
  std::optional<ProcessExit> WaitExit(absl::Time deadline);

  // Does nothing when there is no such process.
  void Signal(const std::string& role, int signal);

  // SIGTERM to every process, SIGKILL to what still runs after `grace`.
  // Returns how each ended.
  std::vector<ProcessExit> StopAll(absl::Duration grace);

 private:
  // Null if there is none.
  ChildProcess* Find(const std::string& role) const;
  // Blocks until a process ended, a signal came, or `deadline`.
  void PollUntil(absl::Time deadline);
  // A process that ended, removed from the list.
  std::optional<ProcessExit> TakeEnded();

  std::vector<std::unique_ptr<ChildProcess>> children_;
};

// The last `lines` lines of a file, or "" if it cannot be read.
std::string TailOfFile(const std::string& path, int lines);

// What people read when a process died: how, and the last lines of its log.
std::string DescribeDeath(const ProcessExit& exit, const std::string& log_path);

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_SUPERVISOR_H_
