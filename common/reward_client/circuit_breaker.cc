#include "common/reward_client/circuit_breaker.h"

#include <algorithm>

namespace operant {
namespace {

// Short enough that a restarted server is found at once, long enough that a
// dead one costs next to nothing.
constexpr absl::Duration kFirstPause = absl::Milliseconds(125);
constexpr absl::Duration kLongestPause = absl::Milliseconds(250);

}  // namespace

absl::Duration CircuitBreaker::Admit(absl::Time now) {
  if (!open()) return absl::ZeroDuration();
  if (now < next_call_) return next_call_ - now;
  next_call_ = now + pause_;
  return absl::ZeroDuration();
}

void CircuitBreaker::Succeeded() {
  failed_in_a_row_ = 0;
  pause_ = absl::ZeroDuration();
}

void CircuitBreaker::Failed(absl::Time now) {
  ++failed_in_a_row_;
  if (failures_ == 0 || failed_in_a_row_ < failures_) return;
  // Calls that left before it opened fail late: they too lengthen the pause,
  // which is bounded.
  pause_ = open() ? std::min(kLongestPause, 2 * pause_) : kFirstPause;
  next_call_ = now + pause_;
}

}  // namespace operant
