#include "learner/membership.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace operant::learner {

const char* WorkerStateName(WorkerState state) {
  switch (state) {
    case WorkerState::kJoining:
      return "joining";
    case WorkerState::kReady:
      return "ready";
    case WorkerState::kStale:
      return "stale";
    case WorkerState::kDraining:
      return "draining";
    case WorkerState::kLost:
      return "lost";
  }
  return "unknown";
}

void Membership::Move(Worker& worker, WorkerState to, std::string reason) {
  if (worker.state == to) return;
  transitions_.push_back({worker.id, worker.state, to, std::move(reason)});
  worker.state = to;
}

absl::StatusOr<uint64_t> Membership::Register(
    const std::string& id, const std::string& address,
    const std::string& metrics_address, int slots, absl::Time now) {
  if (id.empty() || address.empty() || slots < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "registration refused: worker_id='", id, "' address='", address,
        "' slots=", slots, ", expected a name, host:port and at least 1"));
  }
  auto found = workers_.find(id);
  const bool replaces =
      found != workers_.end() && found->second.state != WorkerState::kLost;
  const int live =
      static_cast<int>(workers_.size()) - Count(WorkerState::kLost);
  if (!replaces && live >= limits_.max_workers) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "registration refused: ", live,
        " workers are here, rollout.max_workers=", limits_.max_workers,
        "; raise it or stop one"));
  }
  Worker& worker = workers_[id];
  const WorkerState before =
      worker.id.empty() ? WorkerState::kJoining : worker.state;
  worker = Worker{.id = id,
                  .address = address,
                  .metrics_address = metrics_address,
                  .slots = slots,
                  .epoch = ++epochs_[id],
                  .state = WorkerState::kJoining,
                  .last_heartbeat = now};
  transitions_.push_back({id, before, WorkerState::kJoining,
                          absl::StrCat("registered, epoch ", worker.epoch)});
  return worker.epoch;
}

absl::StatusOr<Worker*> Membership::FindLive(const std::string& id,
                                             uint64_t epoch) {
  auto found = workers_.find(id);
  if (found == workers_.end() || found->second.epoch != epoch ||
      found->second.state == WorkerState::kLost) {
    return absl::NotFoundError(absl::StrCat(
        "worker '", id, "' epoch ", epoch,
        " is not a member (unknown, replaced or lost); register again"));
  }
  return &found->second;
}

void Membership::SetWeights(Worker& worker, bool has, uint64_t version,
                            const std::string& digest) {
  worker.has_weights = has;
  worker.policy_version = version;
  if (worker.state == WorkerState::kDraining || !has || !has_published_) return;
  if (version == published_version_ && digest == published_digest_) {
    Move(worker, WorkerState::kReady, absl::StrCat("serves version ", version));
  } else if (worker.state == WorkerState::kReady) {
    Move(worker, WorkerState::kStale,
         absl::StrCat("serves version ", version, ", published is ",
                      published_version_));
  }
}

absl::Status Membership::Heartbeat(const WorkerHeartbeat& beat,
                                   absl::Time now) {
  ASSIGN_OR_RETURN(Worker * worker, FindLive(beat.id, beat.epoch));
  worker->last_heartbeat = now;
  worker->running = beat.running;
  worker->waiting = beat.waiting;
  SetWeights(*worker, beat.has_weights, beat.policy_version,
             beat.weights_digest);
  if (beat.draining) Move(*worker, WorkerState::kDraining, "it is draining");
  return absl::OkStatus();
}

absl::Status Membership::Leave(const std::string& id, uint64_t epoch) {
  auto found = workers_.find(id);
  if (found == workers_.end() || found->second.epoch != epoch) {
    return absl::NotFoundError(
        absl::StrCat("worker '", id, "' epoch ", epoch, " is not a member"));
  }
  workers_.erase(found);
  return absl::OkStatus();
}

void Membership::SetPublished(uint64_t version, const std::string& digest) {
  has_published_ = true;
  published_version_ = version;
  published_digest_ = digest;
  for (auto& [id, worker] : workers_) {
    if (worker.state == WorkerState::kReady) {
      Move(worker, WorkerState::kStale,
           absl::StrCat("version ", version, " was published"));
    }
  }
}

void Membership::RecordServing(const std::string& id, uint64_t epoch,
                               uint64_t version, const std::string& digest) {
  auto worker = FindLive(id, epoch);
  if (worker.ok()) SetWeights(**worker, true, version, digest);
}

void Membership::Expire(absl::Time now) {
  for (auto& [id, worker] : workers_) {
    const absl::Duration silent = now - worker.last_heartbeat;
    if (worker.state != WorkerState::kLost &&
        silent > limits_.heartbeat_timeout) {
      Move(worker, WorkerState::kLost,
           absl::StrCat("no heartbeat for ", absl::FormatDuration(silent)));
    }
  }
}

std::vector<WorkerTransition> Membership::TakeTransitions() {
  return std::exchange(transitions_, {});
}

std::vector<Worker> Membership::workers() const {
  std::vector<Worker> all;
  for (const auto& [id, worker] : workers_) all.push_back(worker);
  return all;
}

std::vector<Worker> Membership::Usable(uint64_t min_version) const {
  std::vector<Worker> usable;
  for (const auto& [id, worker] : workers_) {
    const bool sampling = worker.state == WorkerState::kReady ||
                          worker.state == WorkerState::kStale;
    if (sampling && worker.has_weights && worker.policy_version >= min_version)
      usable.push_back(worker);
  }
  return usable;
}

int Membership::Count(WorkerState state) const {
  int count = 0;
  for (const auto& [id, worker] : workers_) count += worker.state == state;
  return count;
}

}  // namespace operant::learner
