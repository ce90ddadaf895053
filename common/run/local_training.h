// `operant train`: a whole run on this machine, as real processes on loopback.
//
//   lock the run directory -> reward servers (the built-in one, or the user's
//     commands) -> learner -> rollout workers
//     -> (the learner ends | SIGINT or SIGTERM, passed on to the learner)
//     -> stop the others -> processes.json, result.json
//
// targets.json (file_sd) always lists the HTTP ports that are there to scrape,
// and none once the run is over.
//
// A reward server or worker that dies is reported and started again, a few
// times; the learner's end is the run's end.
#ifndef OPERANT_COMMON_RUN_LOCAL_TRAINING_H_
#define OPERANT_COMMON_RUN_LOCAL_TRAINING_H_

#include <string>

#include "absl/status/statusor.h"
#include "common/base/exit_code.h"
#include "operant/v1/config.pb.h"

namespace operant {

struct LocalTrainingOptions {
  std::string program;   // the `operant` binary to start
  v1::RunConfig config;  // resolved and validated for training
  bool resume = false;
  bool watch = false;  // start a Prometheus on the run
};

// Runs until the learner ends and returns its exit code. The learner's standard
// output goes to ours. Install the shutdown handlers first.
//
// Errors: the run directory's (run_directory.h); a process that does not start
// (with its exit code and the last lines of its log).
absl::StatusOr<ExitCode> TrainLocally(const LocalTrainingOptions& options);

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_LOCAL_TRAINING_H_
