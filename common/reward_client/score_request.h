// Fills a request with what its server reads, and no more.
#ifndef OPERANT_COMMON_REWARD_CLIENT_SCORE_REQUEST_H_
#define OPERANT_COMMON_REWARD_CLIENT_SCORE_REQUEST_H_

#include "operant/v1/reward.pb.h"

namespace operant {

// `item` as a server that said `info` gets it: prompt and response text, token
// ids, log-probs and messages only if it needs them (text if it named no
// content at all), everything else always. content_digest is computed.
v1::ScoreItem ItemFor(const v1::GetInfoResponse& info,
                      const v1::ScoreItem& item);

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_SCORE_REQUEST_H_
