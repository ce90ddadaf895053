// Named places where a test build can be told to die, wait or fail: one at each
// durable write, acknowledgement and hand-over.
//
//   OPERANT_FAILPOINTS="trace=/tmp/hits;ledger.commit.before=kill@3"
//
// (failpoint_env.cc, which only the test binary links; in the product a site
// does nothing.) Actions: kill (SIGKILL to itself), sleep:MS, error (returned
// as Unavailable), full (returned as ResourceExhausted, as of a full disk).
// "@N": at the N-th hit of the process, default the first. A rule fires once in
// the life of the trace file, so that a process that is started again goes on;
// it needs one. The trace gets a line "hit SITE" at the first hit of each site
// in each process, and "fired RULE" before a rule acts.
#ifndef OPERANT_COMMON_BASE_FAILPOINT_H_
#define OPERANT_COMMON_BASE_FAILPOINT_H_

#include "absl/status/status.h"

namespace operant {

// `site` is a literal: tests/chaos lists the sites by reading the source.
// Thread-safe.
absl::Status Failpoint(const char* site);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_FAILPOINT_H_
