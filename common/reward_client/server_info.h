// Judges what a reward server says of itself. Pure.
#ifndef OPERANT_COMMON_REWARD_CLIENT_SERVER_INFO_H_
#define OPERANT_COMMON_REWARD_CLIENT_SERVER_INFO_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "operant/v1/config.pb.h"
#include "operant/v1/reward.pb.h"

namespace operant {

// Whether a handshake's answer can be worked with. FailedPrecondition: no
// api_level, an unknown need, an inverted score range, too many component
// names, or one that could not be a metric label. Text from the server is made
// Printable.
absl::Status CheckInfo(const v1::GetInfoResponse& info);

// FailedPrecondition if the server has no such component; names the key.
absl::Status CheckComponentWeights(
    const v1::GetInfoResponse& info,
    const std::vector<v1::ComponentWeight>& weights);

bool HasNeed(const v1::GetInfoResponse& info, v1::GetInfoResponse::Need need);

// Calls that the server takes at once, `most` at most; a few if it states none.
int CallsAtOnce(const v1::GetInfoResponse& info, int most);

// `text` from a peer, fit for a log or a terminal: escaped, at most 200 bytes
// and a mark that it was cut.
std::string Printable(const std::string& text);

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_SERVER_INFO_H_
