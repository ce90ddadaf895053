#include "learner/rollout_client.h"

#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/grpc_status.h"
#include "common/base/log.h"
#include "common/base/rpc.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "operant/v1/rollout.grpc.pb.h"

namespace operant::learner {
namespace {

// Calls to a worker hold up to this many times its slots, so that a finished
// slot always finds a waiting sample while the next call is on its way.
constexpr int kOutstandingPerSlot = 2;
// A worker that failed a call gets no other for this long.
constexpr absl::Duration kBackoff = absl::Milliseconds(500);
// Membership, shutdown and deadlines are looked at this often.
constexpr absl::Duration kTick = absl::Milliseconds(100);

// What a call's stream reports: a trajectory, or its end.
struct Event {
  CallId call = 0;
  std::optional<v1::Trajectory> trajectory;
  absl::Status status;  // of the end
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

// A call that runs, as the generation's thread sees it.
struct OpenCall {
  std::string worker;
  uint64_t epoch = 0;
  std::shared_ptr<grpc::ClientContext> context;
};

class RolloutClientImpl final : public RolloutClient {
 public:
  RolloutClientImpl(const Options& options, Coordinator* coordinator,
                    MetricRegistry* metrics)
      : options_(options),
        coordinator_(coordinator),
        reissued_(metrics->AddCounter(
            "operant_learner_reissued_samples_total",
            "Samples given to another worker after a call ended without them "
            "(refused trajectories included)")) {}

  absl::StatusOr<std::vector<v1::Trajectory>> Generate(
      const GenerationPlan& plan) override;

  std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address) {
    auto& channel = channels_[address];
    if (channel == nullptr) channel = MakeChannel(address);
    return channel;
  }

  const Options options_;
  Coordinator* const coordinator_;
  Counter& reissued_;

 private:
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_;
};

// The state of one Generate.
class Generation {
 public:
  Generation(RolloutClientImpl* client, const GenerationPlan& plan)
      : client_(client),
        plan_(plan),
        schedule_(plan.run_id, plan.prompts, client->options_.max_attempts) {}
  ~Generation() { CancelAll(); }

  absl::StatusOr<std::vector<v1::Trajectory>> Run() {
    absl::Time last_usable = absl::Now();
    while (!schedule_.done()) {
      if (ShutdownRequested() != StopSignal::kNone)
        return absl::CancelledError("generation stopped by a signal");
      if (plan_.cancelled && plan_.cancelled())
        return absl::CancelledError("generation is not needed any more");
      DropLostWorkers();
      Dispatch();
      if (!calls_.empty()) last_usable = absl::Now();
      if (absl::Now() - last_usable > client_->options_.worker_wait)
        return NoWorker();
      for (Event& event : events_->TakeAll(kTick))
        RETURN_IF_ERROR(Handle(std::move(event)));
    }
    return schedule_.TakeAll();
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

  void Dispatch() {
    for (const Worker& worker :
         client_->coordinator_->Usable(plan_.rules.min_policy_version)) {
      if (absl::Now() < not_before_[worker.id]) continue;
      const int wanted = kOutstandingPerSlot * worker.slots;
      while (schedule_.waiting() > 0 &&
             schedule_.OutstandingAt(worker.id) < wanted) {
        StartCall(worker);
      }
    }
  }

  void StartCall(const Worker& worker) {
    const CallId id = ++last_call_;
    v1::GenerateRequest request;
    request.set_run_id(plan_.run_id);
    request.set_run_seed(plan_.run_seed);
    *request.mutable_sampling() = plan_.rules.sampling;
    request.set_min_policy_version(plan_.rules.min_policy_version);
    for (auto& prompt : schedule_.Take(worker.id, worker.slots, id))
      *request.add_prompts() = std::move(prompt);
    auto context = std::make_shared<grpc::ClientContext>();
    SetDeadline(*context, client_->options_.call_deadline);
    calls_[id] = {worker.id, worker.epoch, context};
    (new GenerateCall(id, client_->ChannelTo(worker.address),
                      std::move(request), events_, std::move(context)))
        ->Start();
  }

  absl::Status Handle(Event event) {
    auto call = calls_.find(event.call);
    if (call == calls_.end()) return absl::OkStatus();  // given up before
    if (!event.trajectory.has_value()) {
      return CallEnded(event.call, std::move(event.status));
    }
    return Receive(event.call, std::move(*event.trajectory));
  }

  absl::Status Receive(CallId call, v1::Trajectory trajectory) {
    AdmissionRules rules = plan_.rules;
    rules.max_policy_version = plan_.newest_version();
    const std::vector<int32_t>* prompt = schedule_.PromptOf(trajectory.id());
    absl::Status admitted =
        prompt == nullptr ? absl::NotFoundError("an id that was not asked for")
                          : Admit(trajectory, *prompt, rules);
    if (admitted.ok()) {
      admitted = schedule_.Accept(call, std::move(trajectory));
      if (admitted.ok()) return admitted;
    } else {
      client_->reissued_.Increment();
      RETURN_IF_ERROR(schedule_.ReturnOne(call, trajectory.id(), admitted));
    }
    LogWarning("trajectory refused", {{"reason", admitted.ToString()}});
    return absl::OkStatus();
  }

  absl::Status CallEnded(CallId id, absl::Status status) {
    const OpenCall call = calls_[id];
    calls_.erase(id);
    const int owed = schedule_.OutstandingAt(call.worker);
    if (status.ok() && owed == 0) return absl::OkStatus();
    if (absl::IsInvalidArgument(status)) return status;
    if (status.ok()) status = absl::DataLossError("the stream ended early");
    return GiveBack(id, call.worker, status);
  }

  absl::Status GiveBack(CallId id, const std::string& worker,
                        const absl::Status& cause) {
    const size_t before = schedule_.waiting();
    absl::Status result = schedule_.Return(id, cause);
    const size_t returned = schedule_.waiting() - before;
    if (returned == 0) return result;
    client_->reissued_.Increment(static_cast<double>(returned));
    not_before_[worker] = absl::Now() + kBackoff;
    LogWarning("samples go to another worker", {{"worker", worker},
                                                {"samples", returned},
                                                {"cause", cause.ToString()}});
    return result;
  }

  // A worker that is silent, or came back as another incarnation, owes nothing
  // any more.
  void DropLostWorkers() {
    std::map<std::string, uint64_t> live;
    for (const Worker& worker : client_->coordinator_->workers())
      if (worker.state != WorkerState::kLost) live[worker.id] = worker.epoch;
    for (auto it = calls_.begin(); it != calls_.end();) {
      auto found = live.find(it->second.worker);
      if (found != live.end() && found->second == it->second.epoch) {
        ++it;
        continue;
      }
      it->second.context->TryCancel();
      GiveBack(it->first, it->second.worker,
               absl::UnavailableError("the worker was lost"))
          .IgnoreError();  // a spent sample is reported when it fails again
      it = calls_.erase(it);
    }
  }

  void CancelAll() {
    for (auto& [id, call] : calls_) call.context->TryCancel();
  }

  RolloutClientImpl* const client_;
  const GenerationPlan& plan_;
  GenerationSchedule schedule_;
  std::shared_ptr<EventQueue> events_ = std::make_shared<EventQueue>();
  std::map<CallId, OpenCall> calls_;
  std::map<std::string, absl::Time> not_before_;  // by worker
  CallId last_call_ = 0;
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
