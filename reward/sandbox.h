// Runs programs that nobody trusts, and the tests that judge them.
#ifndef OPERANT_REWARD_SANDBOX_H_
#define OPERANT_REWARD_SANDBOX_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "operant/v1/config.pb.h"

namespace operant::reward {

// How a program ended.
struct SandboxVerdict {
  enum class End {
    kPassed,   // every test holds
    kFailed,   // one does not, or the program raised; `said` tells which
    kCrashed,  // its judge ended without a verdict (killed, out of memory)
    kTimeout,  // over wall_ms or cpu_seconds
    kOutput    // over output_kb
  };
  End end = End::kCrashed;
  std::string said;  // at most 500 characters; the program's words, too
};

// kind "bubblewrap": each program has its own namespaces (no network, no other
// process, /usr read-only, an empty root, a private /tmp of file_mb), no
// capability, an allow list of system calls, and limits; nothing of it is left
// once Run() returns. kind "runtime-class": the machine is the sandbox;
// programs get limits, the allow list and a folder of their own, and their
// process group is killed at the end.
//
// A verdict comes over a pipe that the program does not have, with a number
// that it cannot know: what it prints decides nothing (sandbox_harness.py).
class Sandbox {
 public:
  // Runs a first program, so that what cannot be had is known at the start.
  // Errors: FailedPrecondition, naming what is missing and what to do.
  static absl::StatusOr<std::unique_ptr<const Sandbox>> Create(
      const v1::Sandbox& config);
  virtual ~Sandbox() = default;

  // Runs `program` (Python) and judges it by `tests`, statements such as
  // `assert f(2) == 4` that call its functions with literals and compare
  // literals. Blocks for at most wall_ms and a second. Thread-safe. Errors, all
  // of the sandbox and none of the program: Unavailable (it could not start),
  // Internal.
  virtual absl::StatusOr<SandboxVerdict> Run(
      const std::string& program, const std::string& tests) const = 0;
};

}  // namespace operant::reward

#endif  // OPERANT_REWARD_SANDBOX_H_
