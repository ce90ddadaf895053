#include "common/base/retry.h"

#include <algorithm>
#include <cmath>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"

namespace operant {

bool IsRetryable(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status) || absl::IsAborted(status);
}

absl::Duration BackoffBefore(const RetryPolicy& policy, int attempt,
                             double uniform01) {
  const double growth = std::pow(policy.multiplier, attempt - 1);
  return uniform01 *
         std::min(policy.max_backoff, policy.initial_backoff * growth);
}

absl::Status Retry(const RetryPolicy& policy,
                   const std::function<absl::Status()>& call,
                   const std::function<bool(absl::Duration)>& sleep) {
  absl::BitGen random;
  absl::Status status = call();
  for (int attempt = 1; attempt <= policy.max_retries; ++attempt) {
    if (status.ok() || !IsRetryable(status)) return status;
    const double jitter = absl::Uniform(random, 0.0, 1.0);
    if (!sleep(BackoffBefore(policy, attempt, jitter))) return status;
    status = call();
  }
  if (status.ok() || !IsRetryable(status)) return status;
  absl::Status spent(status.code(),
                     absl::StrCat(status.message(), "; gave up after ",
                                  policy.max_retries + 1, " attempts"));
  status.ForEachPayload([&spent](absl::string_view url, const absl::Cord& p) {
    spent.SetPayload(url, p);
  });
  return spent;
}

}  // namespace operant
