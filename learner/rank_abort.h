// Carries a group's verdict to its collective, whichever of the two is there
// first.
#ifndef OPERANT_LEARNER_RANK_ABORT_H_
#define OPERANT_LEARNER_RANK_ABORT_H_

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "learner/collective.h"

namespace operant::learner {

// Thread-safe.
class RankAbort {
 public:
  // `collective` is not owned; null: it is about to be destroyed.
  void Watch(Collective* collective) {
    absl::MutexLock lock(&mu_);
    collective_ = collective;
    if (collective_ != nullptr && !verdict_.ok()) collective_->Abort(verdict_);
  }
  void Abort(const absl::Status& verdict) {
    absl::MutexLock lock(&mu_);
    verdict_.Update(verdict);
    if (collective_ != nullptr) collective_->Abort(verdict_);
  }

 private:
  absl::Mutex mu_;
  Collective* collective_ ABSL_GUARDED_BY(mu_) = nullptr;
  absl::Status verdict_ ABSL_GUARDED_BY(mu_);
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_RANK_ABORT_H_
