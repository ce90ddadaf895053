// The pipelined form of Score: many requests on one stream.
#ifndef OPERANT_REWARD_SCORE_STREAM_H_
#define OPERANT_REWARD_SCORE_STREAM_H_

#include "grpcpp/support/server_callback.h"
#include "operant/v1/reward.pb.h"
#include "reward/score_handler.h"
#include "reward/scoring_pool.h"

namespace operant::reward {

// The reactor of one ScoreStream call; deletes itself when gRPC is done with
// it. Reads ahead of its answers by a fixed window. Nothing is owned.
grpc::ServerBidiReactor<v1::ScoreRequest, v1::ScoreResponse>*
MakeScoreStreamReactor(const ScoreHandler* handler, ScoringPool* pool);

}  // namespace operant::reward

#endif  // OPERANT_REWARD_SCORE_STREAM_H_
