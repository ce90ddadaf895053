// Who a process is: the one URI in its certificate,
// spiffe://TRUST_DOMAIN/RUN/ROLE/NAME. A reward server that several runs share
// leaves the run out: spiffe://TRUST_DOMAIN/reward/NAME.
#ifndef OPERANT_COMMON_BASE_IDENTITY_H_
#define OPERANT_COMMON_BASE_IDENTITY_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "operant/v1/access.pb.h"

namespace operant {

struct Identity {
  std::string trust_domain;
  std::string run;  // empty: a reward server of many runs
  v1::Role role = v1::ROLE_UNSPECIFIED;
  std::string name;

  std::string ToUri() const;
};

// InvalidArgument for anything but the two forms above, each part a safe name
// (file_io.h).
absl::StatusOr<Identity> ParseIdentity(std::string_view uri);

// "learner", "rollout", "reward", "operator"; "unspecified" for the rest.
std::string RoleName(v1::Role role);
// ROLE_UNSPECIFIED for anything else.
v1::Role ParseRole(std::string_view name);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_IDENTITY_H_
