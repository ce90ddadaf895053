// Remembers what a deterministic server said of an item's content.
#ifndef OPERANT_COMMON_REWARD_CLIENT_SCORE_CACHE_H_
#define OPERANT_COMMON_REWARD_CLIENT_SCORE_CACHE_H_

#include <cstddef>
#include <deque>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "common/reward_client/answer.h"
#include "operant/v1/reward.pb.h"

namespace operant {

// Whether a score may be remembered: the server says that it is deterministic
// and looks at one item at a time.
bool IsCacheable(const v1::GetInfoResponse& info);

// XXH3-128 of all that `item`, as it is sent, tells a server about its content:
// everything but id, group_id, sample_index and policy_version.
std::string CacheKey(const v1::ScoreItem& item);

// Thread-safe. Holds at most `capacity` answers; the oldest leave first.
class ScoreCache {
 public:
  explicit ScoreCache(size_t capacity) : capacity_(capacity) {}

  size_t capacity() const { return capacity_; }
  std::optional<ItemAnswer> Find(const std::string& key) const;
  // `answer` is a score or "ignore"; anything else is not remembered.
  void Remember(const std::string& key, const ItemAnswer& answer);
  // The server is another one now.
  void Clear();

 private:
  const size_t capacity_;
  mutable absl::Mutex mu_;
  absl::flat_hash_map<std::string, ItemAnswer> answers_ ABSL_GUARDED_BY(mu_);
  std::deque<std::string> by_age_ ABSL_GUARDED_BY(mu_);
};

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_SCORE_CACHE_H_
