// Fans a step's prompts out over the workers and collects every response,
// whatever happens to a worker on the way: what a lost or failing worker had
// not finished goes to another, under the same trajectory ids and seed keys.
#ifndef OPERANT_LEARNER_ROLLOUT_CLIENT_H_
#define OPERANT_LEARNER_ROLLOUT_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/credentials.h"
#include "common/base/metrics.h"
#include "learner/admission.h"
#include "learner/coordinator.h"
#include "learner/generation_schedule.h"
#include "learner/ledger.h"
#include "operant/v1/rollout.pb.h"

namespace operant::learner {

// What to sample: each prompt `samples` times.
struct GenerationPlan {
  std::string run_id;
  uint64_t run_seed = 0;
  std::vector<GenerationSchedule::Prompt> prompts;
  // Sampling params and the oldest version allowed. The newest is whatever the
  // coordinator published last, while the call runs.
  AdmissionRules rules;
  // Asked now and then; true ends the call with Cancelled. Null: never.
  std::function<bool()> cancelled;
  // A signal does not end it: another step's checkpoint needs its responses.
  bool through_shutdown = false;
  // Where leases and accepted responses are written, of step `step`; a response
  // counts once it is durable. Null: nowhere (evaluation). Not owned.
  Ledger* ledger = nullptr;
  uint64_t step = 0;
  // Told of each response the moment it counts, from the thread of the call; an
  // error ends it. Those taken from the ledger come with the result only. Null:
  // nobody asks.
  std::function<absl::Status(const v1::Trajectory&)> counted;
};

// One Generate at a time; from any thread.
class RolloutClient {
 public:
  struct Options {
    absl::Duration worker_wait = absl::Minutes(2);     // for a usable worker
    absl::Duration call_deadline = absl::Minutes(10);  // of one Generate call
    // How long the same sample may fail before the step gives up.
    int max_attempts = 5;
    ChannelCredentials to_workers = {};  // as MakeChannel takes it
  };

  // `coordinator` and `metrics` are not owned.
  static std::unique_ptr<RolloutClient> Create(const Options& options,
                                               Coordinator* coordinator,
                                               MetricRegistry* metrics);
  virtual ~RolloutClient() = default;

  // Returns one trajectory per (prompt, sample), ordered by prompt and sample
  // index, not by arrival. Errors: Unavailable (no usable worker for
  // `worker_wait`), Cancelled (shutdown, or the plan's), InvalidArgument (a
  // worker refuses the plan for good), DataLoss (a sample kept failing).
  virtual absl::StatusOr<std::vector<v1::Trajectory>> Generate(
      const GenerationPlan& plan) = 0;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_ROLLOUT_CLIENT_H_
