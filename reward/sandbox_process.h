// One run of the harness: a child process and the pipes to it.
#ifndef OPERANT_REWARD_SANDBOX_PROCESS_H_
#define OPERANT_REWARD_SANDBOX_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace operant::reward {

// The harness's descriptors (sandbox_harness.py), and where the filter is read.
inline constexpr int kJobFd = 3;
inline constexpr int kVerdictFd = 4;
inline constexpr int kFilterFd = 5;

struct SandboxCommand {
  std::vector<std::string> args;  // args[0]: the program's path
  std::vector<std::string> environment;
  std::string filter;  // for bubblewrap in kFilterFd, else applied here
  std::string job;     // bytes of kJobFd
  std::string folder;  // working directory; empty: /
  // args[0] is bubblewrap, which only waits for its child; that child ends with
  // all that it started.
  bool monitored = false;
  uint32_t user = 0;  // becomes this user and group; 0: stays who it is
  uint64_t cpu_seconds = 0;
  uint64_t memory_bytes = 0;
  uint64_t file_bytes = 0;
  uint64_t output_bytes = 0;
  absl::Duration wall;
};

struct SandboxOutcome {
  std::string verdict;  // what came over kVerdictFd
  std::string output;   // what came over 1 and 2, up to output_bytes
  bool timeout = false;
  bool overflow = false;  // it wrote more than output_bytes
  int wait_status = 0;
};

// Runs `command` in a process group of its own, gives it its job, and collects
// until the verdict's end or a limit; then kills what is left and waits for it.
// Errors: Unavailable (no process, no pipe).
absl::StatusOr<SandboxOutcome> RunSandboxCommand(const SandboxCommand& command);

}  // namespace operant::reward

#endif  // OPERANT_REWARD_SANDBOX_PROCESS_H_
