// The rollout worker process: joins a running training job, serves responses
// and takes weights until the run is over.
//
//   HTTP port up -> gRPC port up -> Register -> engine -> heartbeats
//     -> (run finished | signal | drained | coordinator lost)
//     -> drain -> Leave -> exit
//
// The gRPC port is bound before the worker registers, since it registers with
// the address that was bound; until the engine exists its services answer
// UNAVAILABLE.
#ifndef OPERANT_ROLLOUT_WORKER_H_
#define OPERANT_ROLLOUT_WORKER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/credentials.h"
#include "common/base/exit_code.h"
#include "rollout/generation_engine.h"
#include "rollout/worker_settings.h"

namespace operant::rollout {

// A coordinator that was not reached for this many heartbeat time-outs is given
// up: time for a learner to be restarted.
inline constexpr int kLostAfterTimeouts = 12;

struct WorkerOptions {
  std::string coordinator;  // host:port of the learner
  std::string listen = "127.0.0.1:0";
  std::string http = "127.0.0.1:0";
  // host:port that others reach it at, where that is not what it listens on;
  // port 0: that of `listen`. Its host goes for the HTTP port, too. Empty: as
  // bound.
  std::string advertise;
  std::string worker_id;  // unique in the run
  // Takes the addresses once they serve (common/run/announcement.h); empty:
  // nowhere.
  std::string announce_path;
  WorkerOverrides overrides;
  // What it shows, and whom it accepts: the learner, by its role.
  std::shared_ptr<const Credentials> credentials = Credentials::Plaintext();
  // How long an unreachable coordinator is tried at the start.
  absl::Duration register_timeout = absl::Seconds(60);
  // What is in flight may finish within this, at the end.
  absl::Duration drain_grace = absl::Seconds(10);
  // Makes the engine; GenerationEngine::Create but in tests.
  std::function<absl::StatusOr<std::unique_ptr<GenerationEngine>>(
      const GenerationEngine::Options&, MetricRegistry*, Health*)>
      make_engine = GenerationEngine::Create;
};

// Runs until the end and says how the process should exit: kDone (the run is
// over, or the worker was drained), or the code of the signal. Errors: refused
// by the coordinator (its code and message), Unavailable (not reached in time,
// or lost), a port in use, a model that this build cannot run. Install the
// shutdown handlers first.
absl::StatusOr<ExitCode> RunRolloutWorker(const WorkerOptions& options);

}  // namespace operant::rollout

#endif  // OPERANT_ROLLOUT_WORKER_H_
