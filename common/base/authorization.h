// Whether a call may go through: a pure decision over what the connection and
// the call say.
#ifndef OPERANT_COMMON_BASE_AUTHORIZATION_H_
#define OPERANT_COMMON_BASE_AUTHORIZATION_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/identity.h"

namespace operant {

// What is known of one call.
struct CallFacts {
  // SPIFFE ids of the verified peer certificate. gRPC gives one, if the
  // certificate has exactly one URI name, and none otherwise.
  std::vector<std::string> spiffe_ids;
  std::string_view method;  // "/package.Service/Method"
  bool token_required = false;
  bool token_accepted = false;
};

// The caller, if `self` (whose server is called) may serve it:
//   Unauthenticated   not exactly one identity; no accepted token
//   PermissionDenied  another trust domain; another run (a reward server
//                     without a run serves all); a method that the caller's
//                     role may not call, or that nobody may
absl::StatusOr<Identity> Authorize(const CallFacts& call, const Identity& self);

// Whether the server behind `uris` (the URI names of its verified certificate)
// is one of role `wanted` that `self` works with: same trust domain, same run
// (or a reward server without one). Errors: as above.
absl::Status CheckServer(const std::vector<std::string>& uris, v1::Role wanted,
                         const Identity& self);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_AUTHORIZATION_H_
