// Which samples of a generation are waiting, at which worker, or done: the pure
// half of the rollout client. No threads, sockets or clocks.
#ifndef OPERANT_LEARNER_GENERATION_SCHEDULE_H_
#define OPERANT_LEARNER_GENERATION_SCHEDULE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "operant/v1/rollout.pb.h"
#include "operant/v1/trajectory.pb.h"

namespace operant::learner {

// A call to a worker, by number.
using CallId = uint64_t;

class GenerationSchedule {
 public:
  struct Prompt {
    uint64_t cursor = 0;
    std::vector<int32_t> token_ids;
    int samples = 1;
  };

  GenerationSchedule(const std::string& run_id, std::vector<Prompt> prompts,
                     int max_attempts);

  // Takes up to `max_samples` waiting samples (whole groups while they last)
  // for a new call to `worker`. Empty if none waits.
  std::vector<v1::PromptRequest> Take(const std::string& worker,
                                      int max_samples, CallId call);

  // Stores a finished trajectory of `call`. NotFound: nobody asked for it, or
  // not from this call any more (late: it was given to another); AlreadyExists:
  // it is done, with the same contents; DataLoss: it is done, and this one
  // differs (the first stays).
  absl::Status Accept(CallId call, v1::Trajectory trajectory);
  // Stores a trajectory that is waiting here and was accepted before the
  // learner's restart. NotFound: it is none of this schedule's, or not waiting.
  absl::Status Restore(v1::Trajectory trajectory);
  // Keeps a waiting sample from being taken until it is restored or released.
  // NotFound as above.
  absl::Status Hold(const std::string& trajectory_id);
  void Release(const std::string& trajectory_id);
  // Whether the trajectory's seed key is that of its id.
  bool KeyFits(const v1::Trajectory& trajectory) const;

  // What `call` still owed goes back to the front of the queue; a sample that
  // came back `max_attempts` times is DataLoss naming it and `cause`.
  absl::Status Return(CallId call, const absl::Status& cause);
  // The same for one sample (its trajectory was refused or aborted).
  absl::Status ReturnOne(CallId call, const std::string& trajectory_id,
                         const absl::Status& cause);

  bool done() const { return accepted_ == samples_.size(); }
  size_t waiting() const { return waiting_.size(); }
  size_t accepted() const { return accepted_; }
  size_t total() const { return samples_.size(); }
  // Samples that calls to `worker` still owe, and that `call` does.
  int OutstandingAt(const std::string& worker) const;
  int OwedBy(CallId call) const;
  // REQUIRES: the trajectory was accepted or restored.
  const v1::Trajectory& At(const std::string& trajectory_id) const;
  // TrajectoryDigest() of it.
  const std::string& DigestOf(const std::string& trajectory_id) const;
  // The prompt's ids of a trajectory of this schedule, or null.
  const std::vector<int32_t>* PromptOf(const std::string& trajectory_id) const;

  // REQUIRES: done(). By prompt, then sample index.
  std::vector<v1::Trajectory> TakeAll();

 private:
  enum class State { kWaiting, kHeld, kAssigned, kDone };
  struct Sample {
    size_t prompt = 0;
    uint32_t sample_index = 0;
    State state = State::kWaiting;
    CallId call = 0;
    int attempts = 0;
    v1::Trajectory trajectory;
    std::string digest;  // once done
  };

  void Store(Sample& sample, v1::Trajectory trajectory, std::string digest);
  absl::Status PutBack(size_t sample, const absl::Status& cause);

  std::vector<Prompt> prompts_;
  std::vector<std::string> group_ids_;       // by prompt
  std::vector<Sample> samples_;              // by prompt, then sample index
  std::vector<std::string> trajectory_ids_;  // by sample
  absl::flat_hash_map<std::string, size_t> by_id_;
  std::deque<size_t> waiting_;
  std::map<CallId, std::string> worker_of_;
  std::map<CallId, int> owed_;              // by call
  std::map<std::string, int> outstanding_;  // by worker
  const int max_attempts_;
  size_t accepted_ = 0;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_GENERATION_SCHEDULE_H_
