// Looks at an answer's bytes before they become objects.
#ifndef OPERANT_COMMON_REWARD_CLIENT_ANSWER_WIRE_H_
#define OPERANT_COMMON_REWARD_CLIENT_ANSWER_WIRE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "operant/v1/reward.pb.h"

namespace operant {

// Parses a ScoreResponse to a request of `items` items whose responses have
// `response_tokens` tokens together. A few bytes on the wire can be a large
// object: 4 MiB of empty results would take over 100 MiB. DataLoss, before
// anything is allocated, if it holds more results or parts than an honest
// answer can, or is no protobuf message at all.
absl::StatusOr<v1::ScoreResponse> ParseAnswer(const std::string& bytes,
                                              size_t items,
                                              size_t response_tokens);

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_ANSWER_WIRE_H_
