// Counts calls in flight, up to a limit that follows how they end.
#ifndef OPERANT_COMMON_REWARD_CLIENT_INFLIGHT_LIMIT_H_
#define OPERANT_COMMON_REWARD_CLIENT_INFLIGHT_LIMIT_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/reward_client/adaptive_limit.h"

namespace operant {

// Thread-safe.
class InflightLimit {
 public:
  explicit InflightLimit(int most) : limit_(most) {}

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

  // The most that is ever allowed; starts from there again if it changed.
  void SetMost(int most) {
    absl::MutexLock lock(&mu_);
    if (limit_.most() != most) limit_ = AdaptiveLimit(most);
  }
  int most() const {
    absl::MutexLock lock(&mu_);
    return limit_.most();
  }
  int limit() const {
    absl::MutexLock lock(&mu_);
    return limit_.limit();
  }
  void Succeeded() {
    absl::MutexLock lock(&mu_);
    limit_.Succeeded();
  }
  void Overloaded(absl::Time now) {
    absl::MutexLock lock(&mu_);
    limit_.Overloaded(now);
  }

 private:
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return inflight_ < limit_.limit();
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
  AdaptiveLimit limit_ ABSL_GUARDED_BY(mu_);
  int inflight_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_INFLIGHT_LIMIT_H_
