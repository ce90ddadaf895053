#include "learner/kl_controller.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace operant::learner {
namespace {

constexpr double kErrorLimit = 0.2;

}  // namespace

KlController::KlController(const v1::PpoSection& ppo)
    : coefficient_(ppo.no_kl() ? 0 : ppo.kl_coefficient()),
      target_(ppo.no_kl() ? 0 : ppo.kl_target()),
      horizon_(ppo.kl_horizon()) {}

void KlController::Observe(double kl_per_response, int64_t responses) {
  if (!adaptive() || !std::isfinite(kl_per_response)) return;
  const double error =
      std::clamp(kl_per_response / target_ - 1, -kErrorLimit, kErrorLimit);
  // A step larger than the horizon / 0.2 must not turn beta negative.
  coefficient_ *= std::max(1 + error * responses / horizon_, 0.0);
}

absl::Status KlController::Restore(double coefficient) {
  if (!std::isfinite(coefficient) || coefficient < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("KL controller not restored: coefficient=", coefficient,
                     ", expected a finite number >= 0; the checkpoint is "
                     "damaged, resume from an older one"));
  }
  coefficient_ = coefficient;
  return absl::OkStatus();
}

}  // namespace operant::learner
