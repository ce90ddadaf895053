#include "learner/lease_control.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace operant::learner {
namespace {

Receipt::Kind KindOf(const absl::Status& accepted) {
  switch (accepted.code()) {
    case absl::StatusCode::kOk:
      return Receipt::Kind::kAccepted;
    case absl::StatusCode::kAlreadyExists:
      return Receipt::Kind::kDuplicate;
    case absl::StatusCode::kDataLoss:
      return Receipt::Kind::kConflict;
    default:
      return Receipt::Kind::kLate;
  }
}

}  // namespace

LeaseControl::LeaseControl(const Limits& limits, const std::string& run_id,
                           std::vector<GenerationSchedule::Prompt> prompts,
                           bool await_durable)
    : limits_(limits),
      await_durable_(await_durable),
      schedule_(run_id, std::move(prompts), limits.max_attempts) {}

absl::Status LeaseControl::AdmitHere(const v1::Trajectory& trajectory,
                                     const AdmissionRules& rules) const {
  const std::vector<int32_t>* prompt = schedule_.PromptOf(trajectory.id());
  if (prompt == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("trajectory ", trajectory.id(), " was not asked for"));
  }
  if (!schedule_.KeyFits(trajectory)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "trajectory ", trajectory.id(), " from worker '",
        trajectory.worker_id(), "' refused: its seed key is another sample's"));
  }
  return Admit(trajectory, *prompt, rules);
}

absl::Status LeaseControl::Restore(v1::Trajectory trajectory,
                                   const AdmissionRules& rules) {
  if (NewestVersion(trajectory) > rules.max_policy_version) {
    RETURN_IF_ERROR(schedule_.Hold(trajectory.id()));
    held_.push_back(std::move(trajectory));
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(AdmitHere(trajectory, rules));
  return schedule_.Restore(std::move(trajectory));
}

void LeaseControl::Reconsider(const AdmissionRules& rules) {
  std::vector<v1::Trajectory> held = std::exchange(held_, {});
  for (v1::Trajectory& trajectory : held) {
    const std::string id = trajectory.id();
    if (NewestVersion(trajectory) > rules.max_policy_version)
      held_.push_back(std::move(trajectory));
    else if (!Restore(std::move(trajectory), rules).ok())
      schedule_.Release(id);
  }
}

std::string LeaseControl::ReasonToRevoke(
    const Open& lease, const std::map<std::string, uint64_t>& live,
    absl::Time now) const {
  auto found = live.find(lease.worker);
  if (found == live.end()) return "the worker was lost";
  if (found->second != lease.epoch) return "the worker was restarted";
  if (now >= lease.deadline) return "the lease has expired";
  return "";
}

std::vector<RevokedLease> LeaseControl::Revoke(
    const std::vector<Worker>& members, absl::Time now) {
  std::map<std::string, uint64_t> live;
  for (const Worker& worker : members)
    if (worker.state != WorkerState::kLost) live[worker.id] = worker.epoch;
  std::vector<RevokedLease> revoked;
  for (auto it = leases_.begin(); it != leases_.end();) {
    std::string reason = ReasonToRevoke(it->second, live, now);
    if (reason.empty()) {
      ++it;
      continue;
    }
    revoked.push_back(
        {it->first, it->second.worker, schedule_.OwedBy(it->first), reason});
    // A sample whose attempts are spent is reported when it fails again.
    schedule_.Return(it->first, absl::UnavailableError(reason)).IgnoreError();
    it = leases_.erase(it);
  }
  return revoked;
}

std::vector<Lease> LeaseControl::Grant(const std::vector<Worker>& usable,
                                       absl::Time now) {
  std::vector<Lease> granted;
  for (const Worker& worker : usable) {
    if (now < health_[worker.id].not_before) continue;
    const int room = limits_.outstanding_per_slot * worker.slots;
    while (schedule_.waiting() > 0 &&
           schedule_.OutstandingAt(worker.id) < room) {
      const CallId id = ++last_lease_;
      granted.push_back(
          {id, worker, schedule_.Take(worker.id, worker.slots, id)});
      leases_[id] = {worker.id, worker.epoch, now + limits_.lease};
    }
  }
  return granted;
}

absl::Status LeaseControl::Refuse(CallId id, const std::string& trajectory_id,
                                  const absl::Status& why, Receipt& receipt) {
  receipt = {Receipt::Kind::kRefused, std::string(why.message())};
  return schedule_.ReturnOne(id, trajectory_id, why);
}

absl::Status LeaseControl::Receive(CallId id, v1::Trajectory trajectory,
                                   const AdmissionRules& rules,
                                   Receipt& receipt) {
  const std::string trajectory_id = trajectory.id();
  const absl::Status admitted = AdmitHere(trajectory, rules);
  if (absl::IsNotFound(admitted)) {
    receipt = {Receipt::Kind::kLate, std::string(admitted.message())};
    return absl::OkStatus();
  }
  if (!admitted.ok()) return Refuse(id, trajectory_id, admitted, receipt);
  auto lease = leases_.find(id);
  const absl::Status accepted = schedule_.Accept(id, std::move(trajectory));
  receipt = {KindOf(accepted), std::string(accepted.message())};
  if (!accepted.ok()) return absl::OkStatus();
  if (lease != leases_.end()) health_[lease->second.worker].failures = 0;
  if (await_durable_) undurable_.insert(trajectory_id);
  return absl::OkStatus();
}

void LeaseControl::Durable(const std::string& trajectory_id) {
  undurable_.erase(trajectory_id);
}

std::string LeaseControl::WorkerOf(CallId id) const {
  auto lease = leases_.find(id);
  return lease == leases_.end() ? "" : lease->second.worker;
}

void LeaseControl::Failed(const std::string& worker, absl::Time now) {
  Health& health = health_[worker];
  const int doublings = std::min(health.failures++, 16);
  health.not_before =
      now + std::min(limits_.backoff * (1 << doublings), limits_.max_backoff);
}

absl::Status LeaseControl::Ended(CallId id, const absl::Status& status,
                                 absl::Time now, int& returned) {
  returned = 0;
  auto lease = leases_.find(id);
  if (lease == leases_.end()) return absl::OkStatus();  // revoked before
  const std::string worker = lease->second.worker;
  leases_.erase(lease);
  returned = schedule_.OwedBy(id);
  if (absl::IsInvalidArgument(status)) return status;
  if (!status.ok()) Failed(worker, now);
  if (returned == 0) return absl::OkStatus();
  if (status.ok()) Failed(worker, now);
  return schedule_.Return(
      id, status.ok() ? absl::DataLossError("the stream ended early") : status);
}

}  // namespace operant::learner
