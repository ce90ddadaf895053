// Retry with jittered exponential back-off and a budget. Pure policy plus one
// helper; time and randomness are arguments.
#ifndef OPERANT_COMMON_BASE_RETRY_H_
#define OPERANT_COMMON_BASE_RETRY_H_

#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace operant {

struct RetryPolicy {
  int max_retries = 3;
  absl::Duration initial_backoff = absl::Milliseconds(50);
  absl::Duration max_backoff = absl::Seconds(5);
  double multiplier = 2;
};

// Unavailable, DeadlineExceeded, ResourceExhausted, Aborted.
bool IsRetryable(const absl::Status& status);

// The wait before retry `attempt` (from 1): "full jitter", i.e.
// uniform01 * min(max_backoff, initial_backoff * multiplier^(attempt - 1)).
absl::Duration BackoffBefore(const RetryPolicy& policy, int attempt,
                             double uniform01);

// Calls `call` until it succeeds, fails for good, or the retries are spent;
// returns its last status, with the number of attempts in the message when
// they were spent. `sleep` waits (tests pass a fake) and returns false to give
// up early (shutdown).
absl::Status Retry(const RetryPolicy& policy,
                   const std::function<absl::Status()>& call,
                   const std::function<bool(absl::Duration)>& sleep);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_RETRY_H_
