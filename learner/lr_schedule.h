// Learning-rate schedules as pure functions of progress.
#ifndef OPERANT_LEARNER_LR_SCHEDULE_H_
#define OPERANT_LEARNER_LR_SCHEDULE_H_

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace operant::learner {

enum class LrShape { kConstant, kLinear, kCosine };

// "constant", "linear" or "cosine"; InvalidArgument for anything else.
absl::StatusOr<LrShape> ParseLrShape(std::string_view name);

// Linear warm-up from 0, then a decay from 1 to `min_ratio`.
struct LrSchedule {
  LrShape shape = LrShape::kConstant;
  int64_t warmup_steps = 0;
  double min_ratio = 0.1;
};

// Factor of the peak learning rate, in [0, 1], for the optimiser step with
// number `step` (from 0): (step + 1) / warmup_steps while warming up, so that
// no step is wasted at 0; afterwards the shape's value at `progress`.
//
// `progress` is the share of the whole run that is over, in [0, 1] (cut to it):
// steps done / steps, or seconds done / max_seconds where time is the limit.
// The warm-up's share is not taken out: cosine at progress 0.5 is the middle.
// The cosine is the single cycle of SGDR, arXiv 1608.03983, Eq. 5.
double LrFactor(const LrSchedule& schedule, int64_t step, double progress);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_LR_SCHEDULE_H_
