// Leaves a server alone that does not answer.
#ifndef OPERANT_COMMON_REWARD_CLIENT_CIRCUIT_BREAKER_H_
#define OPERANT_COMMON_REWARD_CLIENT_CIRCUIT_BREAKER_H_

#include "absl/time/time.h"

namespace operant {

//   closed --`failures` in a row--> open --pause over--> one call is let
//   through
//     ^                              ^                     |            |
//     |                              +---- it fails: a longer pause     |
//     +------------------------------- it succeeds ---------------------+
//
// Pure: time is an argument. Not thread-safe.
class CircuitBreaker {
 public:
  // `failures` 0: never opens.
  explicit CircuitBreaker(int failures) : failures_(failures) {}

  // How long a call must still wait; zero lets it go. While open, each pause
  // lets one call go: others wait for one pause more.
  absl::Duration Admit(absl::Time now);
  void Succeeded();
  void Failed(absl::Time now);

  bool open() const { return pause_ > absl::ZeroDuration(); }

 private:
  const int failures_;
  int failed_in_a_row_ = 0;
  absl::Duration pause_ = absl::ZeroDuration();  // zero: closed
  absl::Time next_call_ = absl::InfinitePast();
};

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_CIRCUIT_BREAKER_H_
