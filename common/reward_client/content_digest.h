// What a score is a score of.
#ifndef OPERANT_COMMON_REWARD_CLIENT_CONTENT_DIGEST_H_
#define OPERANT_COMMON_REWARD_CLIENT_CONTENT_DIGEST_H_

#include <string>

#include "operant/v1/reward.pb.h"

namespace operant {

// XXH3-128 (16 bytes) of: number of prompt ids, prompt ids, number of response
// ids, response ids, finish; each a little-endian 32-bit integer.
std::string ContentDigest(const v1::ScoreItem& item);

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_CONTENT_DIGEST_H_
