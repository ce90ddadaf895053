#include "learner/rollout_client.h"

#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/failpoint.h"
#include "common/base/grpc_status.h"
#include "common/base/log.h"
#include "common/base/metric_families.h"
#include "common/base/monotonic_clock.h"
#include "common/base/rpc.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "learner/lease_control.h"
#include "operant/v1/rollout.grpc.pb.h"

namespace operant::learner {
namespace {

// Membership, shutdown and deadlines are looked at this often.
constexpr absl::Duration kTick = absl::Milliseconds(100);

// What a call's stream reports, a trajectory or its end; or what the ledger
// says of an accepted one.
struct Event {
  CallId call = 0;
  std::optional<v1::Trajectory> trajectory;
  absl::Status status;       // of the end, or of the write
  std::string written = {};  // trajectory id; empty: not the ledger's
};

// From the streams' threads to the caller's. Its size is bounded by what the
// calls were asked for.
class EventQueue {
 public:
  void Push(Event event) {
    absl::MutexLock lock(&mu_);
    events_.push_back(std::move(event));
  }
  // Everything there is, waiting up to `timeout` for a first one.
  std::deque<Event> TakeAll(absl::Duration timeout) {
    absl::MutexLock lock(&mu_);
    auto any = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return !events_.empty();
    };
    mu_.AwaitWithTimeout(absl::Condition(&any), timeout);
    return std::exchange(events_, {});
  }

 private:
  absl::Mutex mu_;
  std::deque<Event> events_ ABSL_GUARDED_BY(mu_);
};

// One Generate call. Owns itself until OnDone; the queue outlives it.
class GenerateCall final
    : public grpc::ClientReadReactor<v1::GenerateResponse> {
 public:
  GenerateCall(CallId id, std::shared_ptr<grpc::Channel> channel,
               v1::GenerateRequest request, std::shared_ptr<EventQueue> events,
               std::shared_ptr<grpc::ClientContext> context)
      : id_(id),
        request_(std::move(request)),
        events_(std::move(events)),
        context_(std::move(context)),
        stub_(v1::RolloutService::NewStub(std::move(channel))) {}

  void Start() {
    stub_->async()->Generate(context_.get(), &request_, this);
    StartRead(&response_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    events_->Push({id_, std::move(*response_.mutable_trajectory()), {}});
    response_.Clear();
    StartRead(&response_);
  }

  void OnDone(const grpc::Status& status) override {
    events_->Push({id_, std::nullopt, FromGrpcStatus(status)});
    delete this;
  }

 private:
  const CallId id_;
  v1::GenerateRequest request_;
  v1::GenerateResponse response_;
  std::shared_ptr<EventQueue> events_;
  std::shared_ptr<grpc::ClientContext> context_;
  std::unique_ptr<v1::RolloutService::Stub> stub_;
};

class RolloutClientImpl final : public RolloutClient {
 public:
  RolloutClientImpl(const Options& options, Coordinator* coordinator,
                    MetricRegistry* metrics)
      : options_(options),
        coordinator_(coordinator),
        metrics_(metrics),
        reissued_(metrics->Get(metric::kLearnerReissuedSamplesTotal)),
        conflicts_(metrics->Get(metric::kLearnerConflictingSamplesTotal)) {}

  absl::StatusOr<std::vector<v1::Trajectory>> Generate(
      const GenerationPlan& plan) override;

  std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address) {
    absl::MutexLock lock(&mu_);
    auto& channel = channels_[address];
    if (channel == nullptr) {
      channel = MakeChannel(address, options_.to_workers, metrics_);
    }
    return channel;
  }

  const Options options_;
  Coordinator* const coordinator_;
  MetricRegistry* const metrics_;
  Counter& reissued_;
  Counter& conflicts_;

 private:
  absl::Mutex mu_;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_
      ABSL_GUARDED_BY(mu_);
};

LeaseControl::Limits LimitsOf(const RolloutClient::Options& options) {
  return {.lease = options.call_deadline, .max_attempts = options.max_attempts};
}

// One Generate: carries out over gRPC and the ledger what LeaseControl decides.
class Generation {
 public:
  Generation(RolloutClientImpl* client, const GenerationPlan& plan)
      : client_(client),
        plan_(plan),
        rules_(plan.rules),
        control_(LimitsOf(client->options_), plan.run_id, plan.prompts,
                 /*await_durable=*/plan.ledger != nullptr) {
    rules_.published = &published_;
  }
  ~Generation() {
    for (auto& [id, context] : calls_) context->TryCancel();
  }

  absl::StatusOr<std::vector<v1::Trajectory>> Run() {
    RETURN_IF_ERROR(Restore());
    absl::Time last_usable = MonotonicNow();
    while (!control_.complete()) {
      if (!plan_.through_shutdown && ShutdownRequested() != StopSignal::kNone)
        return absl::CancelledError("generation stopped by a signal");
      if (plan_.cancelled && plan_.cancelled())
        return absl::CancelledError("generation is not needed any more");
      Revoke();
      Grant();
      // With nothing to give away, what is held waits for a publication.
      if (!calls_.empty() || control_.schedule().waiting() == 0)
        last_usable = MonotonicNow();
      if (MonotonicNow() - last_usable > client_->options_.worker_wait)
        return NoWorker();
      std::deque<Event> events = events_->TakeAll(kTick);
      RefreshRules();
      for (Event& event : events) RETURN_IF_ERROR(Handle(std::move(event)));
    }
    return control_.TakeAll();
  }

 private:
  absl::Status NoWorker() const {
    return absl::UnavailableError(absl::StrCat(
        "no rollout worker can sample version >= ",
        plan_.rules.min_policy_version, " for ",
        absl::FormatDuration(client_->options_.worker_wait),
        " (learner.worker_wait_ms); start one with `operant rollout "
        "--coordinator HOST:PORT`"));
  }

  // After the events were taken: what a trajectory was sampled with had been
  // published before it was sent, though not yet to every worker.
  void RefreshRules() {
    published_ = client_->coordinator_->published();
    rules_.max_policy_version =
        published_.empty() ? 0 : published_.rbegin()->first;
    control_.Reconsider(rules_);
  }

  // What an earlier incarnation of the learner had accepted for this step and
  // still fits need not be sampled again.
  absl::Status Restore() {
    if (plan_.ledger == nullptr) return absl::OkStatus();
    RefreshRules();
    ASSIGN_OR_RETURN(std::vector<v1::Trajectory> accepted,
                     plan_.ledger->Accepted(plan_.step));
    size_t restored = 0;
    for (v1::Trajectory& t : accepted)
      restored += control_.Restore(std::move(t), rules_).ok();
    if (accepted.empty()) return absl::OkStatus();
    LogInfo(
        "responses taken from the ledger",
        {{"step", plan_.step}, {"held", accepted.size()}, {"used", restored}});
    return absl::OkStatus();
  }

  void Revoke() {
    for (const RevokedLease& lease :
         control_.Revoke(client_->coordinator_->workers(), MonotonicNow())) {
      auto call = calls_.find(lease.id);
      if (call != calls_.end()) call->second->TryCancel();
      ReportReissued(lease.worker, lease.samples, lease.reason);
    }
  }

  void Grant() {
    for (Lease& lease : control_.Grant(
             client_->coordinator_->Usable(plan_.rules.min_policy_version),
             MonotonicNow())) {
      Record(lease);
      StartCall(lease);
    }
  }

  void Record(const Lease& lease) {
    if (plan_.ledger == nullptr) return;
    v1::LedgerRecord record;
    v1::LeaseRecord* leased = record.mutable_leased();
    leased->set_lease_id(lease.id);
    leased->set_step(plan_.step);
    leased->set_worker_id(lease.worker.id);
    leased->set_worker_epoch(lease.worker.epoch);
    leased->set_min_policy_version(plan_.rules.min_policy_version);
    for (const v1::PromptRequest& prompt : lease.prompts)
      leased->mutable_trajectory_ids()->MergeFrom(prompt.trajectory_ids());
    plan_.ledger->Append(std::move(record));
  }

  void StartCall(Lease& lease) {
    v1::GenerateRequest request;
    request.set_run_id(plan_.run_id);
    request.set_run_seed(plan_.run_seed);
    *request.mutable_sampling() = plan_.rules.sampling;
    request.set_min_policy_version(plan_.rules.min_policy_version);
    for (v1::PromptRequest& prompt : lease.prompts)
      *request.add_prompts() = std::move(prompt);
    auto context = std::make_shared<grpc::ClientContext>();
    SetDeadline(*context, client_->options_.call_deadline);
    calls_[lease.id] = context;
    (new GenerateCall(lease.id, client_->ChannelTo(lease.worker.address),
                      std::move(request), events_, std::move(context)))
        ->Start();
  }

  absl::Status Handle(Event event) {
    if (!event.written.empty()) {
      RETURN_IF_ERROR(event.status);
      RETURN_IF_ERROR(Failpoint("client.durable"));
      control_.Durable(event.written);
      return Counted(event.written);
    }
    if (event.trajectory.has_value())
      return Receive(event.call, std::move(*event.trajectory));
    return CallEnded(event.call, event.status);
  }

  absl::Status Receive(CallId call, v1::Trajectory trajectory) {
    const std::string id = trajectory.id();
    Receipt receipt;
    RETURN_IF_ERROR(
        control_.Receive(call, std::move(trajectory), rules_, receipt));
    switch (receipt.kind) {
      case Receipt::Kind::kAccepted:
        if (plan_.ledger == nullptr) return Counted(id);
        RecordAccepted(call, id);
        return absl::OkStatus();
      case Receipt::Kind::kConflict:
        client_->conflicts_.Increment();
        LogWarning("responses of one id differ", {{"reason", receipt.reason}});
        return absl::OkStatus();
      case Receipt::Kind::kRefused:
        client_->reissued_.Increment();
        LogWarning("trajectory refused", {{"reason", receipt.reason}});
        return absl::OkStatus();
      case Receipt::Kind::kDuplicate:
      case Receipt::Kind::kLate:
        LogDebug("trajectory not needed", {{"reason", receipt.reason}});
    }
    return absl::OkStatus();
  }

  absl::Status Counted(const std::string& id) const {
    if (plan_.counted == nullptr) return absl::OkStatus();
    return plan_.counted(control_.schedule().At(id));
  }

  void RecordAccepted(CallId call, const std::string& id) {
    v1::LedgerRecord record;
    v1::AcceptedRecord* accepted = record.mutable_accepted();
    accepted->set_step(plan_.step);
    accepted->set_lease_id(call);
    accepted->set_digest(control_.schedule().DigestOf(id));
    *accepted->mutable_trajectory() = control_.schedule().At(id);
    plan_.ledger->Append(std::move(record),
                         [events = events_, id](const absl::Status& status) {
                           events->Push({.status = status, .written = id});
                         });
  }

  absl::Status CallEnded(CallId id, const absl::Status& status) {
    if (calls_.erase(id) == 0) return absl::OkStatus();
    int returned = 0;
    const std::string worker = control_.WorkerOf(id);
    const absl::Status result =
        control_.Ended(id, status, MonotonicNow(), returned);
    ReportReissued(worker, returned, status.ToString());
    return result;
  }

  void ReportReissued(const std::string& worker, int samples,
                      const std::string& cause) {
    if (samples == 0) return;
    client_->reissued_.Increment(samples);
    LogWarning("samples go to another worker",
               {{"worker", worker}, {"samples", samples}, {"cause", cause}});
  }

  RolloutClientImpl* const client_;
  const GenerationPlan& plan_;
  std::map<uint64_t, std::string> published_;
  AdmissionRules rules_;
  LeaseControl control_;
  std::shared_ptr<EventQueue> events_ = std::make_shared<EventQueue>();
  std::map<CallId, std::shared_ptr<grpc::ClientContext>> calls_;
};

absl::StatusOr<std::vector<v1::Trajectory>> RolloutClientImpl::Generate(
    const GenerationPlan& plan) {
  return Generation(this, plan).Run();
}

}  // namespace

std::unique_ptr<RolloutClient> RolloutClient::Create(const Options& options,
                                                     Coordinator* coordinator,
                                                     MetricRegistry* metrics) {
  return std::make_unique<RolloutClientImpl>(options, coordinator, metrics);
}

}  // namespace operant::learner
