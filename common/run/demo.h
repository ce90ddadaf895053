// `operant demo`: the whole road on data that every machine has. Makes the
// data, pretrains a small raw model (kept for the next time), trains it by
// reinforcement, and leaves result.json with the seconds of each phase.
#ifndef OPERANT_COMMON_RUN_DEMO_H_
#define OPERANT_COMMON_RUN_DEMO_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/exit_code.h"

namespace operant {

struct DemoOptions {
  std::string program;                    // the `operant` binary
  std::vector<std::string> config_files;  // merged left to right
  std::vector<std::string> overrides;
  // Folder of files NAME that hold the seconds a phase took before this
  // process (setup, build); empty or missing: none.
  std::string phases;
};

// Replaces the run directory of an earlier demo. Returns the training's exit
// code. Install the shutdown handlers first. Errors: NotFound (a file of
// config_files), those of each step, with the exit code of the step.
absl::StatusOr<ExitCode> RunDemo(const DemoOptions& options);

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_DEMO_H_
