// The one rule of overlap: the generation of step s may begin once version
// s - bound has been published. Bound 0 makes generation and update take turns;
// bound 1 lets the next step's generation run while this one updates. Versions
// count published weights, so step s trains version s.
#ifndef OPERANT_LEARNER_STALENESS_GATE_H_
#define OPERANT_LEARNER_STALENESS_GATE_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace operant::learner {

// Thread-safe.
class StalenessGate {
 public:
  // `first_version` is the one that is published already.
  StalenessGate(uint64_t bound, uint64_t first_version)
      : bound_(bound), published_(first_version) {}

  // Oldest version that step `step` may sample with.
  uint64_t OldestVersion(uint64_t step) const {
    return step > bound_ ? step - bound_ : 0;
  }

  void Published(uint64_t version) {
    absl::MutexLock lock(&mu_);
    if (version > published_) published_ = version;
  }

  // Waits until step `step` may begin. False at the deadline or once closed.
  bool AwaitTurn(uint64_t step, absl::Time deadline) {
    absl::MutexLock lock(&mu_);
    const uint64_t needed = OldestVersion(step);
    auto ready = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return closed_ || published_ >= needed;
    };
    return mu_.AwaitWithDeadline(absl::Condition(&ready), deadline) && !closed_;
  }

  void Close() {
    absl::MutexLock lock(&mu_);
    closed_ = true;
  }

 private:
  const uint64_t bound_;
  absl::Mutex mu_;
  uint64_t published_ ABSL_GUARDED_BY(mu_);
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_STALENESS_GATE_H_
