#include "common/base/authorization.h"

#include "absl/strings/str_cat.h"
#include "common/base/method_roles.h"
#include "common/base/status_macros.h"

namespace operant {
namespace {

absl::StatusOr<Identity> OnlyIdentity(const std::vector<std::string>& uris) {
  if (uris.size() != 1) {
    return absl::UnauthenticatedError(absl::StrCat(
        "peer without an identity: uri_names=", uris.size(),
        ", expected exactly one in its certificate; issue one with operant "
        "certs"));
  }
  absl::StatusOr<Identity> identity = ParseIdentity(uris[0]);
  if (identity.ok()) return identity;
  return absl::UnauthenticatedError(identity.status().message());
}

absl::Status CheckDomain(const Identity& peer, const Identity& self) {
  if (peer.trust_domain == self.trust_domain) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("peer of another trust domain: identity=", peer.ToUri(),
                   ", expected trust domain ", self.trust_domain));
}

absl::Status CheckRun(const Identity& peer, const Identity& self) {
  if (peer.run == self.run) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("peer of another run: identity=", peer.ToUri(),
                   ", expected run ", self.run));
}

}  // namespace

absl::StatusOr<Identity> Authorize(const CallFacts& call,
                                   const Identity& self) {
  ASSIGN_OR_RETURN(const Identity caller, OnlyIdentity(call.spiffe_ids));
  RETURN_IF_ERROR(CheckDomain(caller, self));
  if (!self.run.empty()) RETURN_IF_ERROR(CheckRun(caller, self));
  if (call.token_required && !call.token_accepted) {
    return absl::UnauthenticatedError(
        "call without a valid token, expected authorization: Bearer TOKEN; set "
        "security.token_file to the run's");
  }
  if (MayCall(caller.role, call.method)) return caller;
  return absl::PermissionDeniedError(absl::StrCat(
      "call denied: identity=", caller.ToUri(),
      ", method=", absl::string_view(call.method.data(), call.method.size()),
      ", expected a role that may call it"));
}

absl::Status CheckServer(const std::vector<std::string>& uris, v1::Role wanted,
                         const Identity& self) {
  ASSIGN_OR_RETURN(const Identity server, OnlyIdentity(uris));
  RETURN_IF_ERROR(CheckDomain(server, self));
  if (!server.run.empty()) RETURN_IF_ERROR(CheckRun(server, self));
  if (server.role == wanted) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("server of another role: identity=", server.ToUri(),
                   ", expected role ", RoleName(wanted)));
}

}  // namespace operant
