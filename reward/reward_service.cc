#include "reward/reward_service.h"

#include <atomic>

#include "common/base/grpc_status.h"
#include "reward/score_stream.h"

namespace operant::reward {
namespace {

// One Score call, from its arrival until gRPC is done with it.
class ScoreReactor final : public grpc::ServerUnaryReactor {
 public:
  ScoreReactor(const ScoreHandler* handler, const v1::ScoreRequest* request,
               v1::ScoreResponse* response)
      : handler_(handler), request_(request), response_(response) {}

  // On a thread of the pool. Finish comes last: after it `this` may be gone.
  void Run() {
    Finish(ToGrpcStatus(handler_->Handle(
        *request_, [this] { return cancelled_.load(); }, *response_)));
  }

  void OnCancel() override { cancelled_ = true; }
  void OnDone() override { delete this; }

 private:
  const ScoreHandler* const handler_;
  const v1::ScoreRequest* const request_;
  v1::ScoreResponse* const response_;
  std::atomic<bool> cancelled_ = false;
};

}  // namespace

grpc::ServerUnaryReactor* RewardService::GetInfo(
    grpc::CallbackServerContext* context, const v1::GetInfoRequest*,
    v1::GetInfoResponse* response) {
  *response = handler_->Info();
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* RewardService::Score(grpc::CallbackServerContext*,
                                               const v1::ScoreRequest* request,
                                               v1::ScoreResponse* response) {
  auto* reactor = new ScoreReactor(handler_, request, response);
  if (!pool_->TryRun([reactor] { reactor->Run(); })) {
    reactor->Finish(ToGrpcStatus(handler_->Refuse()));
  }
  return reactor;
}

grpc::ServerBidiReactor<v1::ScoreRequest, v1::ScoreResponse>*
RewardService::ScoreStream(grpc::CallbackServerContext*) {
  return MakeScoreStreamReactor(handler_, pool_);
}

}  // namespace operant::reward
