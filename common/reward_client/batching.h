// Divides items into the requests that carry them.
#ifndef OPERANT_COMMON_REWARD_CLIENT_BATCHING_H_
#define OPERANT_COMMON_REWARD_CLIENT_BATCHING_H_

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "operant/v1/reward.pb.h"

namespace operant {

struct BatchLimits {
  size_t wanted_items = 128;  // reward.batch_items; a larger group overrides it
  size_t max_items = 0;       // the server's word, never passed; 0: none
  size_t max_bytes = 3 << 20;  // leaves room under gRPC's 4 MiB a message
  bool whole_groups = false;   // all items of a group_id in one batch
};

// The limits for a server that said `info`.
BatchLimits LimitsFor(const v1::GetInfoResponse& info, size_t batch_items);

// Items on their way into batches, first come, first served: each gets into one
// batch, with the limits kept. Not thread-safe.
class BatchQueue {
 public:
  // With whole groups, one is ready once it has `group_items` items; 0: only
  // Close() tells that it is whole.
  BatchQueue(const BatchLimits& limits, size_t group_items);

  // Item `index` is there. InvalidArgument, with the queue unchanged, if it
  // does not fit into a batch by itself or together with its group; names it.
  absl::Status Add(int index, const v1::ScoreItem& item);
  // Nothing more comes: groups are whole as they are.
  void Close();

  // Items that can be taken now.
  size_t ready_items() const { return ready_items_; }
  // Items that a batch is filled with, unless groups or bytes end it before.
  size_t items_per_batch() const;
  // The next batch: indices in the order in which their units, a group or a
  // single item, were begun. Empty if nothing is ready.
  std::vector<int> Take();

 private:
  // Items that must travel together: a group, or a single item.
  struct Unit {
    std::vector<int> indices;
    size_t bytes = 0;
  };

  absl::Status CheckFits(const v1::ScoreItem& item, size_t items,
                         size_t bytes) const;
  void Ready(Unit unit);

  const BatchLimits limits_;
  const size_t group_items_;
  absl::flat_hash_map<std::string, Unit> growing_;  // by group_id
  std::deque<Unit> ready_;
  size_t ready_items_ = 0;
};

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_BATCHING_H_
