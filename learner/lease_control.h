// What one generation decides: which samples a worker is given, for how long,
// and what becomes of each answer. With membership.h, admission.h and
// step_order.h this is the control plane: no threads, sockets, clocks or files,
// time is an argument, and the same code runs in the learner and in
// tests/simulation.
//
// Life of a sample:
//
//   waiting --Grant--> leased --Receive--> accepted --Durable--> done
//   leased --the lease ends, expires, or its worker is lost--> waiting
//   waiting --Restore (accepted before a restart)--> done, or held until its
//   version is published again --Reconsider--> done or waiting
//
// A lease is fenced by its number and its worker's epoch: once it has ended,
// nothing that still arrives under it is taken, except to compare it with what
// was taken instead.
#ifndef OPERANT_LEARNER_LEASE_CONTROL_H_
#define OPERANT_LEARNER_LEASE_CONTROL_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "learner/admission.h"
#include "learner/generation_schedule.h"
#include "learner/membership.h"

namespace operant::learner {

// Samples that a worker was given.
struct Lease {
  CallId id = 0;
  Worker worker;
  std::vector<v1::PromptRequest> prompts;
};

// A lease that has ended before its worker was done.
struct RevokedLease {
  CallId id = 0;
  std::string worker;
  int samples = 0;  // that go to others
  std::string reason;
};

// What became of an answer.
struct Receipt {
  enum class Kind {
    kAccepted,   // it counts, once it is durable
    kDuplicate,  // known, and the same
    kConflict,   // known, and different: the first stays, somebody is wrong
    kLate,       // its lease has ended, or nobody asked for it
    kRefused,    // malformed, stale or of other weights: sampled again
  };
  Kind kind = Kind::kLate;
  std::string reason;
};

class LeaseControl {
 public:
  struct Limits {
    // A worker holds up to this many times its slots, so that a finished slot
    // always finds a waiting sample while the next lease is on its way.
    int outstanding_per_slot = 2;
    absl::Duration lease = absl::Minutes(10);
    // A worker that failed gets nothing for this long, doubled with each
    // failure in a row up to the maximum.
    absl::Duration backoff = absl::Milliseconds(500);
    absl::Duration max_backoff = absl::Seconds(8);
    int max_attempts = 5;  // of one sample
  };

  // With `await_durable` an accepted sample is done only once Durable() says
  // so.
  LeaseControl(const Limits& limits, const std::string& run_id,
               std::vector<GenerationSchedule::Prompt> prompts,
               bool await_durable);

  // Takes what an earlier incarnation had accepted, if `rules` admit it. One of
  // a version that is not published again yet is held back from the workers
  // until Reconsider() can tell. Returns why it will be sampled again.
  absl::Status Restore(v1::Trajectory trajectory, const AdmissionRules& rules);
  // After a version was published: takes what was held for it, or gives it to
  // the workers if the weights are others now.
  void Reconsider(const AdmissionRules& rules);

  // Ends the leases that are past their time or whose worker is lost, gone or
  // another incarnation. `members`: all that are registered.
  std::vector<RevokedLease> Revoke(const std::vector<Worker>& members,
                                   absl::Time now);
  // Gives waiting samples to workers with room. `usable`: those whose weights
  // the plan allows (Membership::Usable).
  std::vector<Lease> Grant(const std::vector<Worker>& usable, absl::Time now);

  // An answer under lease `id`. Writes its Receipt; an error ends the
  // generation: DataLoss (the sample was refused too often).
  absl::Status Receive(CallId id, v1::Trajectory trajectory,
                       const AdmissionRules& rules, Receipt& receipt);
  // The ledger holds the trajectory now.
  void Durable(const std::string& trajectory_id);
  // The worker says that lease `id` is over; what it still owes goes to others.
  // Writes how many samples did. An error ends the generation: InvalidArgument
  // (it will never accept such samples), DataLoss (failed too often).
  absl::Status Ended(CallId id, const absl::Status& status, absl::Time now,
                     int& returned);

  bool complete() const { return schedule_.done() && undurable_.empty(); }
  size_t open_leases() const { return leases_.size(); }
  // Whom an open lease was given to; empty: it has ended.
  std::string WorkerOf(CallId id) const;
  const GenerationSchedule& schedule() const { return schedule_; }
  // REQUIRES: complete(). By prompt, then sample index.
  std::vector<v1::Trajectory> TakeAll() { return schedule_.TakeAll(); }

 private:
  struct Open {
    std::string worker;
    uint64_t epoch = 0;
    absl::Time deadline;
  };
  struct Health {
    int failures = 0;  // in a row
    absl::Time not_before = absl::InfinitePast();
  };

  std::string ReasonToRevoke(const Open& lease,
                             const std::map<std::string, uint64_t>& live,
                             absl::Time now) const;
  void Failed(const std::string& worker, absl::Time now);
  absl::Status AdmitHere(const v1::Trajectory& trajectory,
                         const AdmissionRules& rules) const;
  absl::Status Refuse(CallId id, const std::string& trajectory_id,
                      const absl::Status& why, Receipt& receipt);

  const Limits limits_;
  const bool await_durable_;
  GenerationSchedule schedule_;
  std::map<CallId, Open> leases_;
  std::map<std::string, Health> health_;  // by worker
  absl::flat_hash_set<std::string> undurable_;
  std::vector<v1::Trajectory> held_;
  CallId last_lease_ = 0;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_LEASE_CONTROL_H_
