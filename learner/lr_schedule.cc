#include "learner/lr_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "absl/strings/str_cat.h"

namespace operant::learner {
namespace {

// From 1 at progress 0 to 0 at progress 1.
double Decay(LrShape shape, double progress) {
  switch (shape) {
    case LrShape::kConstant:
      return 1;
    case LrShape::kLinear:
      return 1 - progress;
    case LrShape::kCosine:
      return 0.5 * (1 + std::cos(std::numbers::pi * progress));
  }
  return 1;
}

}  // namespace

absl::StatusOr<LrShape> ParseLrShape(std::string_view name) {
  if (name == "constant") return LrShape::kConstant;
  if (name == "linear") return LrShape::kLinear;
  if (name == "cosine") return LrShape::kCosine;
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown learning-rate schedule: schedule=", std::string(name),
      ", expected constant, linear or cosine; correct the configuration"));
}

double LrFactor(const LrSchedule& schedule, int64_t step, double progress) {
  if (step < schedule.warmup_steps) {
    return static_cast<double>(step + 1) /
           static_cast<double>(schedule.warmup_steps);
  }
  const double decay = Decay(schedule.shape, std::clamp(progress, 0.0, 1.0));
  return schedule.min_ratio + (1 - schedule.min_ratio) * decay;
}

}  // namespace operant::learner
