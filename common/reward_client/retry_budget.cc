#include "common/reward_client/retry_budget.h"

#include <algorithm>

namespace operant {
namespace {

// Asking costs next to nothing where nobody answers, and each moment that a
// server is back unnoticed is lost to the whole step.
constexpr absl::Duration kLongestAbsentWait = absl::Milliseconds(250);

}  // namespace

std::optional<absl::Duration> RetryBudget::NextWait(bool absent, absl::Time now,
                                                    double uniform01) {
  if (absent) {
    absent_since_ = std::min(absent_since_, now);
    if (now - absent_since_ >= unavailable_wait_) return std::nullopt;
    return std::min(kLongestAbsentWait,
                    BackoffBefore(policy_, ++absences_, uniform01));
  }
  absent_since_ = absl::InfiniteFuture();
  absences_ = 0;
  if (retries_ >= policy_.max_retries) return std::nullopt;
  return BackoffBefore(policy_, ++retries_, uniform01);
}

}  // namespace operant
