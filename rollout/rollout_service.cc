#include "rollout/rollout_service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/grpc_status.h"
#include "common/base/status_macros.h"
#include "rollout/generate_request.h"
#include "rollout/generate_stream.h"

namespace operant::rollout {
namespace {

absl::Status Starting() {
  return absl::UnavailableError(
      "rollout service: the worker is starting; try again");
}

absl::Status CheckVersion(const GenerationEngine::Status& status,
                          uint64_t min_policy_version) {
  if (!status.has_weights) {
    return absl::FailedPreconditionError(
        "generate: the worker has no weights yet; push a version first");
  }
  if (status.version >= min_policy_version) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "generate: policy_version=", status.version, ", expected at least ",
      min_policy_version, "; push that version first"));
}

absl::StatusOr<std::vector<SampleRequest>> Prepare(
    const GenerationEngine& engine, const v1::GenerateRequest& request) {
  RETURN_IF_ERROR(CheckVersion(engine.status(), request.min_policy_version()));
  return ParseGenerateRequest(request);
}

grpc::ServerUnaryReactor* Reply(grpc::CallbackServerContext* context,
                                const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

}  // namespace

RolloutService::~RolloutService() {
  std::thread drain;
  {
    absl::MutexLock lock(&mu_);
    drain = std::move(drain_thread_);
  }
  if (drain.joinable()) drain.join();
}

void RolloutService::Serve(GenerationEngine* engine) {
  absl::MutexLock lock(&mu_);
  engine_ = engine;
}

GenerationEngine* RolloutService::engine() const {
  absl::MutexLock lock(&mu_);
  return engine_;
}

absl::StatusOr<GenerationEngine*> RolloutService::Admit() {
  absl::MutexLock lock(&mu_);
  if (draining_) {
    return absl::UnavailableError(
        "generate: the worker is draining; use another one");
  }
  if (engine_ == nullptr) return Starting();
  ++admitting_;
  return engine_;
}

void RolloutService::Admitted() {
  absl::MutexLock lock(&mu_);
  --admitting_;
}

grpc::ServerWriteReactor<v1::GenerateResponse>* RolloutService::Generate(
    grpc::CallbackServerContext* /*context*/,
    const v1::GenerateRequest* request) {
  absl::StatusOr<GenerationEngine*> engine = Admit();
  if (!engine.ok()) return GenerateStream::Refuse(engine.status());
  auto samples = Prepare(**engine, *request);
  GenerateStream* const stream =
      samples.ok() ? GenerateStream::Start(*engine, *std::move(samples))
                   : GenerateStream::Refuse(samples.status());
  Admitted();
  return stream;
}

grpc::ServerUnaryReactor* RolloutService::Cancel(
    grpc::CallbackServerContext* context, const v1::CancelRequest* request,
    v1::CancelResponse* response) {
  GenerationEngine* const serving = engine();
  if (serving == nullptr) return Reply(context, Starting());
  response->set_cancelled(serving->Cancel(
      {request->trajectory_ids().begin(), request->trajectory_ids().end()}));
  return Reply(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* RolloutService::GetStatus(
    grpc::CallbackServerContext* context,
    const v1::GetRolloutStatusRequest* /*request*/,
    v1::GetRolloutStatusResponse* response) {
  GenerationEngine::Status status;
  if (const GenerationEngine* serving = engine()) status = serving->status();
  response->set_worker_id(worker_id_);
  response->set_has_weights(status.has_weights);
  response->set_policy_version(status.version);
  response->set_weights_digest(status.weights_digest);
  response->set_slots(status.slots);
  response->set_running_sequences(status.running);
  response->set_waiting_sequences(status.waiting);
  response->set_draining(draining());
  return Reply(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* RolloutService::Drain(
    grpc::CallbackServerContext* context, const v1::DrainRequest* request,
    v1::DrainResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  StartDrain(absl::Milliseconds(request->grace_ms()),
             [reactor, response](Drained drained) {
               response->set_finished(drained.finished);
               response->set_aborted(drained.aborted);
               reactor->Finish(grpc::Status::OK);
             });
  return reactor;
}

void RolloutService::StartDrain(absl::Duration grace,
                                std::function<void(Drained)> done) {
  std::optional<Drained> drained;
  {
    absl::MutexLock lock(&mu_);
    drained = drained_;
    if (!drained.has_value()) waiters_.push_back(std::move(done));
    if (!draining_) {
      draining_ = true;
      drain_thread_ = std::thread([this, grace] { RunDrain(grace); });
    }
  }
  if (drained.has_value()) done(*drained);
}

bool RolloutService::draining() const {
  absl::MutexLock lock(&mu_);
  return draining_;
}

bool RolloutService::WaitDrained(absl::Time deadline) {
  absl::MutexLock lock(&mu_);
  auto drained = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return drained_.has_value();
  };
  return mu_.AwaitWithDeadline(absl::Condition(&drained), deadline);
}

void RolloutService::RunDrain(absl::Duration grace) {
  {
    absl::MutexLock lock(&mu_);
    // Submitting never blocks, so this wait is short.
    auto admitted = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return admitting_ == 0;
    };
    mu_.Await(absl::Condition(&admitted));
  }
  const Drained drained = DrainEngine(grace);
  std::vector<std::function<void(Drained)>> waiters;
  {
    absl::MutexLock lock(&mu_);
    drained_ = drained;
    waiters.swap(waiters_);
  }
  for (const auto& done : waiters) done(drained);
}

RolloutService::Drained RolloutService::DrainEngine(absl::Duration grace) {
  GenerationEngine* const serving = engine();
  if (serving == nullptr) return {};
  const GenerationEngine::Status before = serving->status();
  serving->WaitIdle(absl::Now() + grace);
  const int aborted = serving->AbortAll();
  return {std::max(0, before.running + before.waiting - aborted), aborted};
}

}  // namespace operant::rollout
