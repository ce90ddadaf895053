#include "rollout/worker.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/address.h"
#include "common/base/health.h"
#include "common/base/http_server.h"
#include "common/base/log.h"
#include "common/base/metric_registration.h"
#include "common/base/retry.h"
#include "common/base/rpc.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "common/nn/model_config.h"
#include "common/run/announcement.h"
#include "rollout/coordinator_client.h"
#include "rollout/rollout_service.h"
#include "rollout/transfer_memory.h"
#include "rollout/weight_fetcher.h"
#include "rollout/weight_loader.h"
#include "rollout/weight_service.h"

namespace operant::rollout {
namespace {

constexpr uint32_t kProtocolVersion = 1;
constexpr absl::Duration kRegisterTimeout = absl::Seconds(5);
constexpr absl::Duration kMinHeartbeatInterval = absl::Milliseconds(10);
constexpr absl::Duration kLeaveTimeout = absl::Seconds(2);
constexpr absl::Duration kServerGrace = absl::Seconds(2);

// What the registration's answer says is published.
template <typename Response>
std::optional<PolicyVersion> Published(const Response& response) {
  if (!response.has_published()) return std::nullopt;
  return PolicyVersion{response.published_version(),
                       response.published_sha256()};
}

// `bound` as others reach it.
std::string Reachable(const std::string& bound, HostPort advertised) {
  const absl::StatusOr<HostPort> own = ParseHostPort(bound);
  if (advertised.host.empty() || !own.ok()) return bound;
  if (advertised.port == 0) advertised.port = own->port;
  return advertised.ToString();
}

// Members are destroyed from the last to the first: who calls goes before who
// is called.
class Worker {
 public:
  explicit Worker(const WorkerOptions& options)
      : options_(options),
        metrics_(CreateMetricsFor(MetricRole::kRollout)),
        channel_(MakeChannel(options.coordinator,
                             options.credentials->ForPeer(v1::ROLE_LEARNER),
                             metrics_.get())),
        coordinator_(channel_),
        slots_(options.overrides.slots > 0 ? options.overrides.slots
                                           : InferenceModel::Options().slots),
        rollout_service_(options.worker_id) {}

  absl::StatusOr<ExitCode> Run() {
    RETURN_IF_ERROR(Listen());
    RETURN_IF_ERROR(Join());
    if (Interrupted()) return ExitCodeFor(ShutdownRequested());
    RETURN_IF_ERROR(StartEngine());
    const absl::Status served = Serve();
    Drain(served.ok() ? options_.drain_grace : absl::ZeroDuration());
    Leave(served);
    server_->Shutdown(kServerGrace);
    RETURN_IF_ERROR(served);
    return run_over_ ? ExitCode::kDone : ExitCodeFor(ShutdownRequested());
  }

 private:
  static bool Interrupted() { return ShutdownRequested() != StopSignal::kNone; }

  absl::Status Listen() {
    if (!options_.advertise.empty()) {
      ASSIGN_OR_RETURN(advertise_, ParseHostPort(options_.advertise));
    }
    ASSIGN_OR_RETURN(
        http_, HttpServer::Create(options_.http, {.metrics = metrics_.get(),
                                                  .health = &health_}));
    ASSIGN_OR_RETURN(
        server_,
        RpcServer::Create({.address = options_.listen,
                           .services = {&rollout_service_, &weight_service_},
                           .credentials = options_.credentials,
                           .metrics = metrics_.get()}));
    return absl::OkStatus();
  }

  // Registers, trying an unreachable coordinator again until the time is up.
  // OK without a registration if a signal came.
  absl::Status Join() {
    const absl::Time deadline = absl::Now() + options_.register_timeout;
    const RetryPolicy backoff;
    absl::BitGen random;
    for (int attempt = 1;; ++attempt) {
      const absl::Status status = Register();
      const bool unreachable =
          absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
      if (absl::IsPermissionDenied(status) || absl::IsUnauthenticated(status)) {
        return WithExitCode(status, ExitCode::kConfig);
      }
      if (!unreachable || absl::Now() > deadline) return status;
      if (!SleepUnlessShutdown(BackoffBefore(
              backoff, attempt, absl::Uniform(random, 0.0, 1.0)))) {
        return absl::OkStatus();
      }
    }
  }

  absl::Status Register() {
    v1::RegisterRequest request;
    request.set_protocol_version(kProtocolVersion);
    request.set_worker_id(options_.worker_id);
    request.set_address(Reachable(server_->address(), advertise_));
    request.set_metrics_address(
        Reachable(http_->address(), {advertise_.host, 0}));
    request.set_slots(slots_);
    request.set_model_digest(model_digest_);
    ASSIGN_OR_RETURN(registered_,
                     coordinator_.Register(request, kRegisterTimeout));
    last_contact_ = absl::Now();
    LogInfo("joined run",
            {{"run", registered_.run_id()}, {"epoch", registered_.epoch()}});
    return absl::OkStatus();
  }

  absl::Status StartEngine() {
    ASSIGN_OR_RETURN(const WorkerSettings settings,
                     ResolveWorkerSettings(registered_, options_.overrides,
                                           options_.worker_id));
    ASSIGN_OR_RETURN(engine_, options_.make_engine(settings.engine,
                                                   metrics_.get(), &health_));
    loader_ = std::make_unique<WeightLoader>(
        WeightLoader::Options{.model = settings.engine.model,
                              .engine = engine_.get(),
                              .metrics = metrics_.get(),
                              .health = &health_});
    model_digest_ = ModelDigest(settings.engine.model);
    rollout_service_.Serve(engine_.get());
    weight_service_.Serve(loader_.get());
    fetcher_ = std::make_unique<WeightFetcher>(
        WeightFetcher::Options{.loader = loader_.get(),
                               .source = channel_,
                               .worker_id = options_.worker_id,
                               .grace = 2 * HeartbeatInterval(),
                               .deadline = settings.push_deadline});
    return Announce(settings.engine.inference.slots);
  }

  // The first registration guessed the number of slots; if the run's
  // configuration says otherwise, a second one tells the coordinator.
  absl::Status Announce(uint32_t slots) {
    if (std::exchange(slots_, slots) != slots) RETURN_IF_ERROR(Register());
    health_.SetStarted();
    health_.SetReady(false, "waiting for weights");
    LogInfo("rollout worker serving", {{"address", server_->address()},
                                       {"metrics", http_->address()},
                                       {"slots", slots}});
    OnPublished(Published(registered_));
    return WriteAnnouncement(options_.announce_path,
                             {server_->address(), http_->address()});
  }

  // One heartbeat per interval until there is a reason to stop.
  absl::Status Serve() {
    while (true) {
      RETURN_IF_ERROR(Beat());
      if (rollout_service_.WaitDrained(absl::InfinitePast())) run_over_ = true;
      if (run_over_ || !SleepUnlessShutdown(HeartbeatInterval())) {
        return absl::OkStatus();
      }
    }
  }

  // An error only where going on is pointless.
  absl::Status Beat() {
    const absl::StatusOr<v1::HeartbeatResponse> response =
        coordinator_.Heartbeat(HeartbeatNow(), HeartbeatTimeout() / 2);
    if (response.ok()) {
      last_contact_ = absl::Now();
      run_over_ = response->run_finished();
      OnPublished(Published(*response));
      return absl::OkStatus();
    }
    if (absl::IsNotFound(response.status())) return Rejoin();
    LogWarning("heartbeat failed", {{"status", response.status().ToString()}});
    return CheckLost();
  }

  // A new epoch, perhaps of a learner that was restarted.
  absl::Status Rejoin() {
    const absl::Status status = Register();
    if (IsRetryable(status)) return CheckLost();
    RETURN_IF_ERROR(status);
    if (registered_.model_digest() != model_digest_) {
      return absl::FailedPreconditionError(absl::StrCat(
          "rejoin run: model_digest=", registered_.model_digest(),
          ", expected ", model_digest_,
          "; the learner runs another model now, restart this worker"));
    }
    loader_->Rejoin(Published(registered_));
    OnPublished(Published(registered_));
    return absl::OkStatus();
  }

  absl::Status CheckLost() const {
    const absl::Duration silence = absl::Now() - last_contact_;
    const absl::Duration limit = kLostAfterTimeouts * HeartbeatTimeout();
    if (silence <= limit) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat(
        "coordinator lost: silence=", absl::FormatDuration(silence),
        ", expected at most ", absl::FormatDuration(limit), "; see whether ",
        options_.coordinator, " still runs, then start this worker again"));
  }

  void OnPublished(const std::optional<PolicyVersion>& published) {
    if (published.has_value()) fetcher_->OnPublished(*published, absl::Now());
  }

  v1::HeartbeatRequest HeartbeatNow() const {
    const GenerationEngine::Status status = engine_->status();
    v1::HeartbeatRequest request;
    request.set_worker_id(options_.worker_id);
    request.set_epoch(registered_.epoch());
    request.set_has_weights(status.has_weights);
    request.set_policy_version(status.version);
    request.set_weights_digest(status.weights_digest);
    request.set_running_sequences(status.running);
    request.set_waiting_sequences(status.waiting);
    request.set_draining(rollout_service_.draining());
    return request;
  }

  // Goes on with heartbeats meanwhile, so that what finishes still counts.
  void Drain(absl::Duration grace) {
    health_.SetReady(false, "draining");
    rollout_service_.StartDrain(grace, [](auto) {});
    while (!rollout_service_.WaitDrained(absl::Now() + HeartbeatInterval())) {
      coordinator_.Heartbeat(HeartbeatNow(), HeartbeatInterval()).IgnoreError();
    }
  }

  void Leave(const absl::Status& served) {
    v1::LeaveRequest request;
    request.set_worker_id(options_.worker_id);
    request.set_epoch(registered_.epoch());
    request.set_reason(!served.ok() ? std::string(served.message())
                       : run_over_  ? "run over"
                                    : "signal");
    const absl::Status left = coordinator_.Leave(request, kLeaveTimeout);
    LogInfo("rollout worker leaving",
            {{"reason", request.reason()}, {"left", left.ok()}});
  }

  absl::Duration HeartbeatInterval() const {
    return std::max(kMinHeartbeatInterval,
                    absl::Milliseconds(registered_.heartbeat_interval_ms()));
  }
  absl::Duration HeartbeatTimeout() const {
    return std::max(2 * HeartbeatInterval(),
                    absl::Milliseconds(registered_.heartbeat_timeout_ms()));
  }

  const WorkerOptions& options_;
  HostPort advertise_;  // no host: as bound
  std::unique_ptr<MetricRegistry> metrics_;
  Health health_;
  std::unique_ptr<HttpServer> http_;
  std::shared_ptr<grpc::Channel> channel_;
  CoordinatorClient coordinator_;
  v1::RegisterResponse registered_;
  absl::Time last_contact_ = absl::InfinitePast();
  uint32_t slots_;            // announced
  std::string model_digest_;  // empty until the model is known
  bool run_over_ = false;
  std::unique_ptr<GenerationEngine> engine_;
  std::unique_ptr<WeightLoader> loader_;
  WeightService weight_service_;
  RolloutService rollout_service_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<WeightFetcher> fetcher_;
};

}  // namespace

absl::StatusOr<ExitCode> RunRolloutWorker(const WorkerOptions& options) {
  RETURN_IF_ERROR(CheckDialable(options.coordinator, *options.credentials));
  KeepTransferMemory();
  return Worker(options).Run();
}

}  // namespace operant::rollout
