// The public reward contract over gRPC, for any Scorer.
#ifndef OPERANT_REWARD_REWARD_SERVICE_H_
#define OPERANT_REWARD_REWARD_SERVICE_H_

#include "operant/v1/reward.grpc.pb.h"
#include "reward/score_handler.h"
#include "reward/scoring_pool.h"

namespace operant::reward {

// Requests are scored on `pool`; a full queue answers RESOURCE_EXHAUSTED. A
// call whose deadline passes or whose caller leaves is given up between two
// items. A stream is answered in order of completion, and fails as a whole at
// the first request that does.
//
// Thread-safe. `handler` and `pool` are not owned; they must outlive the server
// that this service is registered with.
class RewardService final : public v1::RewardService::CallbackService {
 public:
  RewardService(const ScoreHandler* handler, ScoringPool* pool)
      : handler_(handler), pool_(pool) {}

  grpc::ServerUnaryReactor* GetInfo(grpc::CallbackServerContext* context,
                                    const v1::GetInfoRequest* request,
                                    v1::GetInfoResponse* response) override;
  grpc::ServerUnaryReactor* Score(grpc::CallbackServerContext* context,
                                  const v1::ScoreRequest* request,
                                  v1::ScoreResponse* response) override;
  grpc::ServerBidiReactor<v1::ScoreRequest, v1::ScoreResponse>* ScoreStream(
      grpc::CallbackServerContext* context) override;

 private:
  const ScoreHandler* const handler_;
  ScoringPool* const pool_;
};

}  // namespace operant::reward

#endif  // OPERANT_REWARD_REWARD_SERVICE_H_
