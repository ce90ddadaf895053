// What a call that failed means for the items that it carried.
#ifndef OPERANT_COMMON_REWARD_CLIENT_FAILED_CALL_H_
#define OPERANT_COMMON_REWARD_CLIENT_FAILED_CALL_H_

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "common/reward_client/answer.h"
#include "operant/v1/reward.pb.h"

namespace operant {

// The answer of an item whose call ended with `call`, which is not OK.
ItemAnswer FailedCall(const absl::Status& call);
// The answer of an item that no call carried since the circuit is open.
ItemAnswer UnaskedAnswer();

// The positions in `batch` (indices into `items`) to ask for again, in order:
// those whose answer is a failure that may be retried, and with `whole_groups`
// whatever shares a group with one. `answers` is aligned with `batch`.
std::vector<size_t> RetryablePositions(const std::vector<v1::ScoreItem>& items,
                                       const std::vector<int>& batch,
                                       const std::vector<ItemAnswer>& answers,
                                       bool whole_groups);

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_FAILED_CALL_H_
