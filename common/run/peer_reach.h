// Whether another machine answers: what a firewall or a NetworkPolicy lets
// through, told apart from a server that has not started.
#ifndef OPERANT_COMMON_RUN_PEER_REACH_H_
#define OPERANT_COMMON_RUN_PEER_REACH_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/address.h"

namespace operant {

// How `peer` answers: "connected in 0.3 ms" or "answers, nothing listens yet".
// Errors: NotFound (no such name), DeadlineExceeded (silence), Unavailable (no
// route). Only the connection has a deadline, looking up the name has the
// resolver's. Sends nothing.
absl::StatusOr<std::string> Reach(const HostPort& peer, absl::Duration timeout);

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_PEER_REACH_H_
