// Rank 0 of the learner as a process: what `operant learner` runs.
#ifndef OPERANT_LEARNER_LEARNER_PROCESS_H_
#define OPERANT_LEARNER_LEARNER_PROCESS_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/base/credentials.h"
#include "operant/v1/config.pb.h"

namespace operant::learner {

struct LearnerOptions {
  v1::RunConfig config;  // resolved and validated for training
  // host:port of the coordinator and of the HTTP port; port 0: a free one.
  std::string listen = "127.0.0.1:0";
  std::string http = "127.0.0.1:0";
  // Where to write the addresses once they serve (common/run/announcement.h);
  // empty: nowhere.
  std::string announce_path;
  // Where the other ranks, if there are any, reach this process; empty: as it
  // listens.
  std::string advertised;
  bool resume = false;
  // What the coordinator shows, and whom it accepts.
  std::shared_ptr<const Credentials> credentials = Credentials::Plaintext();
};

// Trains until learner.steps or learner.max_seconds, writing the run directory
// run.root/run.name: metrics.jsonl, samples/, checkpoints/, plots/, model/,
// result.json. The table of steps and the closing comparison go to standard
// output, logs to standard error.
//
// Returns OK when the run is done. Otherwise ExitCodeFor() of the status is the
// process's exit code: 76 a limit of `stop:` was passed; 69 no reward server;
// 75 or 130 stopped by a signal after a save; 78, 65, 70 as documented.
absl::Status RunLearner(const LearnerOptions& options);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_LEARNER_PROCESS_H_
