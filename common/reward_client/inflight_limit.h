// Counts calls in flight, up to a limit.
#ifndef OPERANT_COMMON_REWARD_CLIENT_INFLIGHT_LIMIT_H_
#define OPERANT_COMMON_REWARD_CLIENT_INFLIGHT_LIMIT_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace operant {

// Thread-safe.
class InflightLimit {
 public:
  explicit InflightLimit(int limit) : limit_(limit) {}

  // A place, held for the scope. Waits while all are taken: not for ever, since
  // every call that holds one has a deadline.
  class Hold {
   public:
    explicit Hold(InflightLimit& limit) : limit_(limit) { limit_.Acquire(); }
    ~Hold() { limit_.Release(); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    InflightLimit& limit_;
  };

  void SetLimit(int limit) {
    absl::MutexLock lock(&mu_);
    limit_ = limit;
  }
  int limit() const {
    absl::MutexLock lock(&mu_);
    return limit_;
  }

 private:
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return inflight_ < limit_;
  }
  void Acquire() {
    absl::MutexLock lock(&mu_, absl::Condition(this, &InflightLimit::HasRoom));
    ++inflight_;
  }
  void Release() {
    absl::MutexLock lock(&mu_);
    --inflight_;
  }

  mutable absl::Mutex mu_;
  int limit_ ABSL_GUARDED_BY(mu_);
  int inflight_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_INFLIGHT_LIMIT_H_
