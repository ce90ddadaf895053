#include "learner/coordinator.h"

#include <set>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/digest.h"
#include "common/base/grpc_status.h"
#include "common/base/log.h"
#include "common/base/metric_families.h"
#include "common/base/monotonic_clock.h"
#include "common/base/status_macros.h"
#include "common/nn/weight_rpc.h"
#include "operant/v1/coordinator.grpc.pb.h"

namespace operant::learner {
namespace {

constexpr uint32_t kProtocolVersion = 1;
// Versions whose digest is remembered: more than any staleness bound.
constexpr size_t kPublishedKept = 128;
constexpr const char* kWorkerRole = "rollout";

class CoordinatorImpl;

// The gRPC face: each method is short and answers inline.
class CoordinatorServiceImpl final
    : public v1::CoordinatorService::CallbackService {
 public:
  explicit CoordinatorServiceImpl(CoordinatorImpl* impl) : impl_(impl) {}

  grpc::ServerUnaryReactor* Register(grpc::CallbackServerContext* context,
                                     const v1::RegisterRequest* request,
                                     v1::RegisterResponse* response) override;
  grpc::ServerUnaryReactor* Heartbeat(grpc::CallbackServerContext* context,
                                      const v1::HeartbeatRequest* request,
                                      v1::HeartbeatResponse* response) override;
  grpc::ServerUnaryReactor* Leave(grpc::CallbackServerContext* context,
                                  const v1::LeaveRequest* request,
                                  v1::LeaveResponse* response) override;

 private:
  CoordinatorImpl* const impl_;
};

class CoordinatorImpl final : public Coordinator {
 public:
  CoordinatorImpl(const Options& options, MetricRegistry* metrics)
      : options_(options),
        metrics_(metrics),
        membership_(options.limits),
        service_(this),
        source_([this](const v1::FetchRequest& r) { return Newest(r); }) {}

  std::vector<grpc::Service*> services() override {
    return {&service_, &source_};
  }

  void SetPublished(std::shared_ptr<const SealedWeights> weights) override {
    absl::MutexLock lock(&mu_);
    membership_.SetPublished(weights->manifest.policy_version(),
                             weights->manifest_sha256);
    digests_[weights->manifest.policy_version()] = weights->manifest_sha256;
    while (digests_.size() > kPublishedKept) digests_.erase(digests_.begin());
    published_ = std::move(weights);
    Report();
  }

  void RememberPublished(
      const std::map<uint64_t, std::string>& digests) override {
    absl::MutexLock lock(&mu_);
    digests_.insert(digests.begin(), digests.end());
  }

  std::map<uint64_t, std::string> published() override {
    absl::MutexLock lock(&mu_);
    return digests_;
  }

  void RecordServing(const Worker& worker, uint64_t version,
                     const std::string& digest) override {
    absl::MutexLock lock(&mu_);
    membership_.RecordServing(worker.id, worker.epoch, version, digest);
    Report();
  }

  std::vector<Worker> workers() override {
    absl::MutexLock lock(&mu_);
    membership_.Expire(MonotonicNow());
    Report();
    return membership_.workers();
  }

  std::vector<Worker> Usable(uint64_t min_version) override {
    absl::MutexLock lock(&mu_);
    membership_.Expire(MonotonicNow());
    Report();
    return membership_.Usable(min_version);
  }

  bool AwaitUsable(uint64_t min_version, absl::Time deadline) override {
    absl::MutexLock lock(&mu_);
    auto any = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return !membership_.Usable(min_version).empty();
    };
    return mu_.AwaitWithDeadline(absl::Condition(&any), deadline);
  }

  void FinishRun() override {
    absl::MutexLock lock(&mu_);
    finished_ = true;
  }

  absl::Status Register(const v1::RegisterRequest& request,
                        v1::RegisterResponse& response) {
    RETURN_IF_ERROR(CheckCompatible(request));
    absl::MutexLock lock(&mu_);
    CountRestart(request.worker_id());
    ASSIGN_OR_RETURN(
        const uint64_t epoch,
        membership_.Register(
            request.worker_id(), request.address(), request.metrics_address(),
            static_cast<int>(request.slots()), MonotonicNow()));
    Report();
    response.set_epoch(epoch);
    FillRegistration(response);
    return absl::OkStatus();
  }

  absl::Status Heartbeat(const v1::HeartbeatRequest& request,
                         v1::HeartbeatResponse& response) {
    absl::MutexLock lock(&mu_);
    RETURN_IF_ERROR(membership_.Heartbeat(
        {.id = request.worker_id(),
         .epoch = request.epoch(),
         .has_weights = request.has_weights(),
         .policy_version = request.policy_version(),
         .weights_digest = request.weights_digest(),
         .running = static_cast<int>(request.running_sequences()),
         .waiting = static_cast<int>(request.waiting_sequences()),
         .draining = request.draining()},
        MonotonicNow()));
    Report();
    response.set_run_finished(finished_);
    if (published_ == nullptr) return absl::OkStatus();
    response.set_has_published(true);
    response.set_published_version(published_->manifest.policy_version());
    response.set_published_sha256(published_->manifest_sha256);
    return absl::OkStatus();
  }

  absl::Status Leave(const v1::LeaveRequest& request) {
    absl::MutexLock lock(&mu_);
    LogInfo("worker leaves",
            {{"worker", request.worker_id()}, {"reason", request.reason()}});
    absl::Status status =
        membership_.Leave(request.worker_id(), request.epoch());
    Report();
    return status;
  }

 private:
  // The worker's protocol, model and tokenizer are the run's, or unstated.
  absl::Status CheckCompatible(const v1::RegisterRequest& request) const {
    auto differs = [&](const char* field, const std::string& theirs,
                       const std::string& ours, const char* next_step) {
      return absl::FailedPreconditionError(absl::StrCat(
          "registration of '", request.worker_id(), "' refused: ", field, "=",
          theirs, ", expected ", ours, "; ", next_step));
    };
    constexpr char kAgain[] = "start the worker again: it takes the run's";
    if (request.protocol_version() != kProtocolVersion) {
      return differs("protocol_version",
                     absl::StrCat(request.protocol_version()),
                     absl::StrCat(kProtocolVersion),
                     "start a worker of the learner's version of operant");
    }
    if (!request.model_digest().empty() &&
        request.model_digest() != options_.model_digest) {
      return differs("model_digest", request.model_digest(),
                     options_.model_digest, kAgain);
    }
    if (!request.tokenizer_digest().empty() &&
        request.tokenizer_digest() != options_.tokenizer_digest) {
      return differs("tokenizer_digest", request.tokenizer_digest(),
                     options_.tokenizer_digest, kAgain);
    }
    return absl::OkStatus();
  }

  void FillRegistration(v1::RegisterResponse& response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    response.set_run_id(options_.run_id);
    response.set_heartbeat_interval_ms(static_cast<uint32_t>(
        absl::ToInt64Milliseconds(options_.heartbeat_interval)));
    response.set_heartbeat_timeout_ms(static_cast<uint32_t>(
        absl::ToInt64Milliseconds(options_.limits.heartbeat_timeout)));
    response.set_model_config_json(options_.model_config_json);
    response.set_model_digest(options_.model_digest);
    response.set_config_yaml(options_.config_yaml);
    if (published_ == nullptr) return;
    response.set_has_published(true);
    response.set_published_version(published_->manifest.policy_version());
    response.set_published_sha256(published_->manifest_sha256);
  }

  absl::StatusOr<std::shared_ptr<const SealedWeights>> Newest(
      const v1::FetchRequest& request) {
    absl::MutexLock lock(&mu_);
    if (published_ == nullptr)
      return absl::NotFoundError("no version is published yet");
    if (request.has_version() &&
        request.newer_than() >= published_->manifest.policy_version()) {
      return absl::FailedPreconditionError(
          absl::StrCat("version ", request.newer_than(), " is the newest"));
    }
    return published_;
  }

  // Logs what changed and keeps the gauges in step.
  void Report() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const auto transitions = membership_.TakeTransitions();
    for (const WorkerTransition& t : transitions) {
      const bool bad = t.to == WorkerState::kLost;
      (bad ? LogWarning : LogDebug)("worker",
                                    {{"worker", t.id},
                                     {"from", WorkerStateName(t.from)},
                                     {"to", WorkerStateName(t.to)},
                                     {"reason", t.reason}});
    }
    for (WorkerState state :
         {WorkerState::kJoining, WorkerState::kReady, WorkerState::kStale,
          WorkerState::kDraining, WorkerState::kLost}) {
      metrics_
          ->Get(metric::kCoordinatorWorkers,
                {kWorkerRole, WorkerStateName(state)})
          .Set(membership_.Count(state));
    }
    ReportWorkers();
  }

  // One sample for each live worker; those of lost ones and leavers go.
  void ReportWorkers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    std::set<std::string> present;
    for (const Worker& worker : membership_.workers()) {
      if (worker.state == WorkerState::kLost) continue;
      present.insert(worker.id);
      metrics_
          ->Get(metric::kCoordinatorWorkerLastHeartbeatTimestampSeconds,
                {kWorkerRole, worker.id})
          .Set(UnixSeconds(absl::Now() -
                           (MonotonicNow() - worker.last_heartbeat)));
      if (!worker.has_weights) continue;
      metrics_->Get(metric::kCoordinatorWorkerServingVersion, {worker.id})
          .Set(static_cast<double>(worker.policy_version));
    }
    for (const std::string& id : reported_) {
      if (present.contains(id)) continue;
      metrics_->Remove(metric::kCoordinatorWorkerLastHeartbeatTimestampSeconds,
                       {kWorkerRole, id});
      metrics_->Remove(metric::kCoordinatorWorkerServingVersion, {id});
    }
    reported_ = std::move(present);
  }

  // Called before the registration replaces what is known of the worker. One
  // that had no weights yet only corrects what it said of itself.
  void CountRestart(const std::string& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (seen_.insert(id).second) return;
    const char* was = "left";
    for (const Worker& worker : membership_.workers()) {
      if (worker.id != id) continue;
      if (worker.state != WorkerState::kLost && !worker.has_weights) return;
      was = worker.state == WorkerState::kLost ? "lost" : "replaced";
    }
    metrics_->Get(metric::kCoordinatorWorkerRestartsTotal, {kWorkerRole, was})
        .Increment();
  }

  const Options options_;
  MetricRegistry* const metrics_;
  absl::Mutex mu_;
  Membership membership_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<const SealedWeights> published_ ABSL_GUARDED_BY(mu_);
  std::map<uint64_t, std::string> digests_ ABSL_GUARDED_BY(mu_);
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  std::set<std::string> reported_ ABSL_GUARDED_BY(mu_);  // with samples
  std::set<std::string> seen_ ABSL_GUARDED_BY(mu_);      // ever registered
  CoordinatorServiceImpl service_;
  WeightSource source_;
};

grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context,
                                 const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

grpc::ServerUnaryReactor* CoordinatorServiceImpl::Register(
    grpc::CallbackServerContext* context, const v1::RegisterRequest* request,
    v1::RegisterResponse* response) {
  return Answer(context, impl_->Register(*request, *response));
}

grpc::ServerUnaryReactor* CoordinatorServiceImpl::Heartbeat(
    grpc::CallbackServerContext* context, const v1::HeartbeatRequest* request,
    v1::HeartbeatResponse* response) {
  return Answer(context, impl_->Heartbeat(*request, *response));
}

grpc::ServerUnaryReactor* CoordinatorServiceImpl::Leave(
    grpc::CallbackServerContext* context, const v1::LeaveRequest* request,
    v1::LeaveResponse*) {
  return Answer(context, impl_->Leave(*request));
}

}  // namespace

std::unique_ptr<Coordinator> Coordinator::Create(const Options& options,
                                                 MetricRegistry* metrics) {
  return std::make_unique<CoordinatorImpl>(options, metrics);
}

}  // namespace operant::learner
