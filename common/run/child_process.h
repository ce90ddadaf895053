// One process of ours: started, signalled, waited for.
#ifndef OPERANT_COMMON_RUN_CHILD_PROCESS_H_
#define OPERANT_COMMON_RUN_CHILD_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace operant {

struct ProcessSpec {
  std::string role;               // unique among its siblings; shown to people
  std::vector<std::string> args;  // args[0] is the program's path
  std::vector<std::string> environment;  // "NAME=value", added to ours
  std::string log_path;      // takes standard error; and standard output unless
  bool show_output = false;  // it goes where ours goes
};

struct ProcessExit {
  std::string role;
  pid_t pid = 0;
  int exit_code = 0;  // if it ended by itself
  int signal = 0;     // the signal that ended it, or 0
  int64_t peak_resident_bytes = 0;
  double cpu_seconds = 0;  // user and system

  bool ok() const { return exit_code == 0 && signal == 0; }
};

// "exit code 78" or "signal 9 (Killed)".
std::string DescribeExit(const ProcessExit& exit);

// The process runs in its own process group (Ctrl-C on a terminal reaches only
// its parent, which decides) and is killed by the kernel when the thread that
// started it ends. Standard input is /dev/null. Not thread-safe.
class ChildProcess {
 public:
  // Errors: NotFound, PermissionDenied (the program cannot be executed), and as
  // the system says.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(
      const ProcessSpec& spec);
  ~ChildProcess();  // kills it and reaps it
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  const ProcessSpec& spec() const { return spec_; }
  pid_t pid() const { return pid_; }
  // Becomes readable when the process ends (pidfd_open).
  int ended_fd() const { return ended_fd_; }

  // How it ended, once it has; reaps it. Never blocks.
  std::optional<ProcessExit> TryReap();
  // Sends `signal` unless it was reaped.
  void Signal(int signal);

 private:
  ChildProcess(ProcessSpec spec, pid_t pid, int ended_fd)
      : spec_(std::move(spec)), pid_(pid), ended_fd_(ended_fd) {}

  const ProcessSpec spec_;
  const pid_t pid_;
  const int ended_fd_;
  std::optional<ProcessExit> exit_;
};

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_CHILD_PROCESS_H_
