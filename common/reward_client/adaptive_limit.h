// How many calls a server takes at once, found out by trying.
#ifndef OPERANT_COMMON_REWARD_CLIENT_ADAPTIVE_LIMIT_H_
#define OPERANT_COMMON_REWARD_CLIENT_ADAPTIVE_LIMIT_H_

#include <algorithm>

#include "absl/time/time.h"

namespace operant {

// Additive increase, multiplicative decrease, as TCP does: a round of good
// calls adds one, an overload takes a third, once per kRound since the calls
// under way share one cause. Pure: time is an argument. Not thread-safe.
class AdaptiveLimit {
 public:
  explicit AdaptiveLimit(int most) : most_(most), limit_(most) {}

  int limit() const { return static_cast<int>(limit_); }
  int most() const { return most_; }

  void Succeeded() { limit_ = std::min<double>(most_, limit_ + 1 / limit_); }
  void Overloaded(absl::Time now) {
    if (now - last_cut_ < kRound) return;
    last_cut_ = now;
    limit_ = std::max(1.0, limit_ * kCut);
  }

 private:
  static constexpr absl::Duration kRound = absl::Milliseconds(100);
  static constexpr double kCut = 2.0 / 3;

  int most_;
  double limit_;  // [1, most_]
  absl::Time last_cut_ = absl::InfinitePast();
};

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_ADAPTIVE_LIMIT_H_
