// A rollout worker that samples, dies, sleeps, loses messages and comes back.
#ifndef OPERANT_TESTS_SIMULATION_SIMULATED_WORKER_H_
#define OPERANT_TESTS_SIMULATION_SIMULATED_WORKER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "learner/membership.h"
#include "operant/v1/rollout.pb.h"
#include "operant/v1/trajectory.pb.h"
#include "tests/simulation/world.h"

namespace operant::simulation {

// How bad this cluster's world is; all 0 once it has healed.
struct Faults {
  double drop = 0;       // share of messages that are lost
  double duplicate = 0;  // share of results that arrive twice
  double kill_seconds = 0, pause_seconds = 0, cut_seconds = 0;  // between two
  double crash_seconds = 0;                                     // learner's
  double forge = 0;  // share of results with another digest, version or text
  double fail = 0;   // share of leases that the worker refuses
};

// What the learner answers; implemented by the cluster.
class LearnerLink {
 public:
  virtual ~LearnerLink() = default;
  // Each reaches the learner that runs when it arrives, if any.
  virtual absl::StatusOr<uint64_t> Register(const std::string& worker,
                                            int slots) = 0;
  virtual absl::Status Heartbeat(const learner::WorkerHeartbeat& beat) = 0;
  virtual void Leave(const std::string& worker, uint64_t epoch) = 0;
  virtual void Result(uint64_t incarnation, uint64_t step, uint64_t lease,
                      const v1::Trajectory& trajectory) = 0;
  virtual void LeaseEnded(uint64_t incarnation, uint64_t step, uint64_t lease,
                          const absl::Status& status) = 0;
  // The newest weights, for a worker that catches up; none: no learner.
  virtual bool Newest(uint64_t& version, std::string& weights) = 0;
};

// What a lease says, as it travels.
struct LeaseMessage {
  uint64_t incarnation = 0;
  uint64_t step = 0;
  uint64_t lease = 0;
  std::vector<v1::PromptRequest> prompts;
};

class SimulatedWorker {
 public:
  SimulatedWorker(std::string id, Agenda* agenda, Chance* chance,
                  const Faults* faults, LearnerLink* learner,
                  absl::Duration heartbeat);

  void Start();
  void Kill();                       // loses all; comes back empty
  void Pause(absl::Duration pause);  // then goes on where it was
  void Cut(absl::Duration cut);      // its messages are lost meanwhile
  void Drain();                      // takes no more, leaves, starts again
  void Deliver(LeaseMessage lease);  // from the network
  void Push(uint64_t version, const std::string& weights);

  const std::string& id() const { return id_; }

 private:
  struct Weights {
    uint64_t version = 0;
    std::string digest;
    bool any = false;
  };
  // Runs `task` after `delay` unless this life has ended; later if asleep.
  void Later(absl::Duration delay, Agenda::Task task);
  void Send(Agenda::Task task, bool twice = false);
  void Join();
  void Beat();
  void CatchUp();
  void Sample(const LeaseMessage& lease, size_t prompt, int sample,
              absl::Duration after);
  v1::Trajectory Draw(const v1::PromptRequest& prompt, int sample);
  void Forge(v1::Trajectory& trajectory);

  const std::string id_;
  Agenda* const agenda_;
  Chance* const chance_;
  const Faults* const faults_;
  LearnerLink* const learner_;
  const absl::Duration heartbeat_;
  const int slots_;
  uint64_t life_ = 0;
  uint64_t epoch_ = 0;  // 0: not registered
  bool draining_ = false;
  Weights weights_;
  absl::Time asleep_until_ = absl::InfinitePast();
  absl::Time cut_until_ = absl::InfinitePast();
};

}  // namespace operant::simulation

#endif  // OPERANT_TESTS_SIMULATION_SIMULATED_WORKER_H_
