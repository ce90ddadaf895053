// Who the rollout workers of a run are: the pure half of the coordinator. No
// threads, sockets, clocks or files: time is an argument, so that the same code
// runs in the coordinator and in a simulator.
//
// Life of a worker:
//
//   (unknown) --Register--> joining --Heartbeat with the published weights-->
//   ready ready --a newer version is published--> stale --Heartbeat with it-->
//   ready joining|ready|stale --Heartbeat draining--> draining any of these
//   --no heartbeat for the time-out--> lost any of these --Leave--> (unknown)
//   lost|any --Register--> joining, with a higher epoch
//
// Only `ready` workers, and `stale` ones where the staleness bound allows their
// version, are given prompts.
#ifndef OPERANT_LEARNER_MEMBERSHIP_H_
#define OPERANT_LEARNER_MEMBERSHIP_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace operant::learner {

enum class WorkerState { kJoining, kReady, kStale, kDraining, kLost };
const char* WorkerStateName(WorkerState state);

struct Worker {
  std::string id;
  std::string address;          // RolloutService and WeightService
  std::string metrics_address;  // its HTTP port; may be empty
  int slots = 0;
  uint64_t epoch = 0;
  WorkerState state = WorkerState::kJoining;
  absl::Time last_heartbeat;
  bool has_weights = false;
  uint64_t policy_version = 0;
  int running = 0;
  int waiting = 0;
};

struct WorkerHeartbeat {
  std::string id;
  uint64_t epoch = 0;
  bool has_weights = false;
  uint64_t policy_version = 0;
  std::string weights_digest;
  int running = 0;
  int waiting = 0;
  bool draining = false;
};

// A transition, with the reason in words, for the log.
struct WorkerTransition {
  std::string id;
  WorkerState from;
  WorkerState to;
  std::string reason;
};

class Membership {
 public:
  struct Limits {
    int max_workers = 256;
    absl::Duration heartbeat_timeout = absl::Seconds(5);
  };

  explicit Membership(const Limits& limits) : limits_(limits) {}

  // A new incarnation: its epoch is one more than any before of that id.
  // InvalidArgument (empty id or address, no slots); ResourceExhausted (too
  // many that are not lost).
  absl::StatusOr<uint64_t> Register(const std::string& id,
                                    const std::string& address,
                                    const std::string& metrics_address,
                                    int slots, absl::Time now);

  // NotFound: unknown, lost, or of an earlier epoch: register again.
  absl::Status Heartbeat(const WorkerHeartbeat& beat, absl::Time now);

  // NotFound as above; a lost worker may leave.
  absl::Status Leave(const std::string& id, uint64_t epoch);

  // Weights that workers must have from now on.
  void SetPublished(uint64_t version, const std::string& digest);
  // An acknowledged push says what a heartbeat would.
  void RecordServing(const std::string& id, uint64_t epoch, uint64_t version,
                     const std::string& digest);

  // Marks as lost whoever is silent for longer than the time-out.
  void Expire(absl::Time now);

  // Transitions since the last call.
  std::vector<WorkerTransition> TakeTransitions();

  // By id.
  std::vector<Worker> workers() const;
  // Workers that may sample with a version >= `min_version` now, by id.
  std::vector<Worker> Usable(uint64_t min_version) const;
  int Count(WorkerState state) const;

 private:
  void Move(Worker& worker, WorkerState to, std::string reason);
  void SetWeights(Worker& worker, bool has, uint64_t version,
                  const std::string& digest);
  absl::StatusOr<Worker*> FindLive(const std::string& id, uint64_t epoch);

  const Limits limits_;
  std::map<std::string, Worker> workers_;
  std::map<std::string, uint64_t> epochs_;  // highest ever, by id
  bool has_published_ = false;
  uint64_t published_version_ = 0;
  std::string published_digest_;
  std::vector<WorkerTransition> transitions_;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_MEMBERSHIP_H_
