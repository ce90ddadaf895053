// Divides items into the requests that carry them.
#ifndef OPERANT_COMMON_REWARD_CLIENT_BATCHING_H_
#define OPERANT_COMMON_REWARD_CLIENT_BATCHING_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "operant/v1/reward.pb.h"

namespace operant {

struct BatchLimits {
  size_t wanted_items = 128;  // reward.batch_items; a larger group overrides it
  size_t max_items = 0;       // the server's word, never passed; 0: none
  size_t max_bytes = 3 << 20;  // leaves room under gRPC's 4 MiB a message
  bool whole_groups = false;   // all items of a group_id in one batch
};

// Divides `chosen` (indices into `items`) so that each is in one batch, in the
// order of its first item, with the limits kept. InvalidArgument if an item or
// a whole group does not fit into a batch by itself; names it.
absl::StatusOr<std::vector<std::vector<int>>> MakeBatches(
    const std::vector<v1::ScoreItem>& items, const std::vector<int>& chosen,
    const BatchLimits& limits);

// The limits for a server that said `info`.
BatchLimits LimitsFor(const v1::GetInfoResponse& info, size_t batch_items);

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_BATCHING_H_
