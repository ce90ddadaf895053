// `operant train`: a whole run on this machine, as real processes on loopback.
//
//   lock the run directory -> reward servers (the built-in one, or the user's
//     commands) -> learner -> rollout workers
//     -> (the learner is done | SIGINT or SIGTERM, passed on to the learner |
//         something failed too often)
//     -> stop the others -> processes.json, result.json
//
// targets.json (file_sd) always lists the HTTP ports that are there to scrape,
// and none once the run is over.
//
// What fails once everything was started is started again after a growing pause
// (restart_policy.h): workers and reward servers as they were, the learner from
// its last checkpoint, at its old address. The run stops with a cause when the
// learner, a reward server or the last worker failed more than run.max_failures
// times within run.failure_window_ms, or in a way that a restart does not cure.
//
// A signal gives the learner run.stop_grace_ms to finish its step and save;
// then it is killed. A second signal, or SIGKILL, ends this process at once and
// the kernel ends the others. Either way --resume goes on.
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

// Runs until the learner is done and returns its exit code. The learner's
// standard output goes to ours. Install the shutdown handlers first.
//
// Each rank of the learner sees a GPU of its own, where there are any, and
// workers the others (gpu_plan.h).
//
// Errors: the run directory's (run_directory.h); more ranks than GPUs; a
// process that does not start (with its exit code and the last lines of its
// log); Aborted: something failed too often (with its last exit code, 69 for a
// reward server).
absl::StatusOr<ExitCode> TrainLocally(const LocalTrainingOptions& options);

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_LOCAL_TRAINING_H_
