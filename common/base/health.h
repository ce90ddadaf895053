// What a process says of itself to probes: started, live, ready.
//
// `live` means progress: a process that promised progress (ExpectProgress) and
// made none (Progress) for its limit is not live. A process that is idle on
// purpose calls Idle() and stays live.
//
// Thread-safe; every call is wait-free enough for a decode loop.
#ifndef OPERANT_COMMON_BASE_HEALTH_H_
#define OPERANT_COMMON_BASE_HEALTH_H_

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace operant {

class Health {
 public:
  struct Verdict {
    bool ok = false;
    std::string reason;  // one line; why not, or what is well
  };

  void SetStarted();
  void SetReady(bool ready, std::string reason);

  // From now on the process must call Progress() at least every `limit`.
  void ExpectProgress(absl::Duration limit);
  void Progress();
  // No work to do: silence is fine until the next Progress().
  void Idle();

  Verdict startup() const;
  Verdict live(absl::Time now) const;
  Verdict ready() const;

 private:
  mutable absl::Mutex mu_;
  bool started_ ABSL_GUARDED_BY(mu_) = false;
  bool ready_ ABSL_GUARDED_BY(mu_) = false;
  std::string ready_reason_ ABSL_GUARDED_BY(mu_) = "starting";
  absl::Duration limit_ ABSL_GUARDED_BY(mu_) = absl::InfiniteDuration();
  absl::Time last_progress_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
};

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_HEALTH_H_
