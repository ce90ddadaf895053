// The order in which a step becomes part of the run. Pure.
//
//   idle --Choose(s)--> chosen --Commit(s)--> committed --Publish(s+1)--> idle
//   idle --Cut(s)--> idle, if s steps are committed
//
// Each transition's record is durable before the next begins, so whatever
// instant a crash picks, the ledger says what was decided and never more than
// was done.
#ifndef OPERANT_LEARNER_STEP_ORDER_H_
#define OPERANT_LEARNER_STEP_ORDER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace operant::learner {

class StepOrder {
 public:
  // `steps` are in the checkpoint that the run goes on from.
  explicit StepOrder(uint64_t steps) : steps_(steps) {}

  // Each returns Internal, naming both, where the order is broken.
  absl::Status Choose(uint64_t step);
  absl::Status Commit(uint64_t step);
  absl::Status Publish(uint64_t version);
  absl::Status Cut(uint64_t steps) const;

  // Committed and published.
  uint64_t steps() const { return steps_; }

 private:
  enum class Stage { kIdle, kChosen, kCommitted };
  absl::Status Expect(Stage stage, uint64_t want, uint64_t got,
                      const char* what) const;

  uint64_t steps_;
  Stage stage_ = Stage::kIdle;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_STEP_ORDER_H_
