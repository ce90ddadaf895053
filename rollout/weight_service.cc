#include "rollout/weight_service.h"

#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "common/base/grpc_status.h"

namespace operant::rollout {
namespace {

grpc::Status Starting() {
  return ToGrpcStatus(absl::UnavailableError(
      "weight service: the worker is starting; try again"));
}

// Receives one push; owns itself. Reactions run one after another: the next
// read is started only when a frame is dealt with.
class PushReceiver final : public grpc::ServerReadReactor<grpc::ByteBuffer> {
 public:
  PushReceiver(WeightLoader* loader, grpc::CallbackServerContext* context,
               grpc::ByteBuffer* response)
      : deadline_(absl::FromChrono(context->deadline())), response_(response) {
    if (loader == nullptr) {
      Finish(Starting());
      return;
    }
    transfer_ = loader->Begin();
    StartRead(&frame_);
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return Load();
    const absl::Status status = transfer_->Add(frame_);
    if (status.ok()) return StartRead(&frame_);
    transfer_.reset();  // lets the next push in before this call ends
    Finish(ToGrpcStatus(status));
  }

  // Answers from the loader's thread, once the version is active.
  void Load() {
    std::unique_ptr<WeightTransfer> transfer = std::move(transfer_);
    transfer->Load(deadline_, [this](absl::StatusOr<WeightLoader::Loaded> r) {
      Answer(std::move(r));
    });
  }

  void Answer(absl::StatusOr<WeightLoader::Loaded> loaded) {
    if (!loaded.ok()) return Finish(ToGrpcStatus(loaded.status()));
    v1::PushResponse answer;
    answer.set_policy_version(loaded->policy.version);
    answer.set_manifest_sha256(loaded->policy.sha256);
    answer.set_swap_pause_ns(static_cast<uint64_t>(loaded->pause_ns));
    const grpc::Slice slice(answer.SerializeAsString());
    *response_ = grpc::ByteBuffer(&slice, 1);
    Finish(grpc::Status::OK);
  }

  void OnDone() override { delete this; }

  const absl::Time deadline_;
  grpc::ByteBuffer* const response_;
  grpc::ByteBuffer frame_;
  std::unique_ptr<WeightTransfer> transfer_;
};

}  // namespace

grpc::ServerReadReactor<grpc::ByteBuffer>* WeightService::Push(
    grpc::CallbackServerContext* context, grpc::ByteBuffer* response) {
  return new PushReceiver(loader_, context, response);
}

grpc::ServerUnaryReactor* WeightService::GetStatus(
    grpc::CallbackServerContext* context,
    const v1::GetWeightStatusRequest* /*request*/,
    v1::GetWeightStatusResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const WeightLoader* loader = loader_;
  if (loader == nullptr) {
    reactor->Finish(Starting());
    return reactor;
  }
  const WeightLoader::Status status = loader->status();
  if (status.active.has_value()) {
    response->set_has_active(true);
    response->set_active_version(status.active->version);
    response->set_active_sha256(status.active->sha256);
  }
  if (status.incoming.has_value()) {
    response->set_staging(true);
    response->set_staging_version(status.incoming->version);
  }
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace operant::rollout
