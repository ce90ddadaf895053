// How often, and for how long, one batch is tried again.
#ifndef OPERANT_COMMON_REWARD_CLIENT_RETRY_BUDGET_H_
#define OPERANT_COMMON_REWARD_CLIENT_RETRY_BUDGET_H_

#include <optional>

#include "absl/time/time.h"
#include "common/base/retry.h"

namespace operant {

// Two budgets, since two things fail: a server that answers badly is asked
// again policy.max_retries times; a server that is not there is awaited for
// `unavailable_wait` from the first failure of its present absence, however
// often that means asking. Pure: time and randomness are arguments.
class RetryBudget {
 public:
  RetryBudget(const RetryPolicy& policy, absl::Duration unavailable_wait)
      : policy_(policy), unavailable_wait_(unavailable_wait) {}

  // The wait before the next try after an attempt that failed at `now`, or
  // nothing if the budget is spent. `absent`: nobody answered at the address;
  // it is asked again within a quarter of a second.
  std::optional<absl::Duration> NextWait(bool absent, absl::Time now,
                                         double uniform01);

 private:
  const RetryPolicy policy_;
  const absl::Duration unavailable_wait_;
  absl::Time absent_since_ = absl::InfiniteFuture();
  int absences_ = 0;  // failures of the present absence
  int retries_ = 0;   // granted to a server that was there
};

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_RETRY_BUDGET_H_
