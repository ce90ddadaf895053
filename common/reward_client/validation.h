// Judges what a reward server answers, before anything is trained on it. Pure.
#ifndef OPERANT_COMMON_REWARD_CLIENT_VALIDATION_H_
#define OPERANT_COMMON_REWARD_CLIENT_VALIDATION_H_

#include <vector>

#include "common/reward_client/answer.h"
#include "operant/v1/config.pb.h"
#include "operant/v1/reward.pb.h"

namespace operant {

struct AnswerRules {
  const v1::GetInfoResponse& info;  // what the server promised
  double max_abs_score = 1e6;
  // Tokens of each item's response, aligned with the request: the request
  // itself need not carry them.
  std::vector<int> response_tokens;
  // Not empty: their weighted sum is the score, and each must be there.
  std::vector<v1::ComponentWeight> component_weights = {};
};

// The answer to each item of `request`, aligned with it. A fault of the
// response as a whole (another request_id; an id missing, foreign or twice) is
// the answer of every item: none of it can be trusted. Faults are DataLoss.
std::vector<ItemAnswer> ValidateResponse(const v1::ScoreRequest& request,
                                         const v1::ScoreResponse& response,
                                         const AnswerRules& rules);

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_VALIDATION_H_
