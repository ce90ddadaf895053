// Time that never jumps: for leases, time-outs and everything else that a
// corrected wall clock must not disturb.
#ifndef OPERANT_COMMON_BASE_MONOTONIC_CLOCK_H_
#define OPERANT_COMMON_BASE_MONOTONIC_CLOCK_H_

#include "absl/time/time.h"

namespace operant {

// The wall clock's time when the process first asked, plus what the steady
// clock has counted since. Comparable within one process only.
absl::Time MonotonicNow();

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_MONOTONIC_CLOCK_H_
