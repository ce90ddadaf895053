#include "common/reward_client/endpoint_credentials.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/address.h"

namespace operant {
namespace {

absl::Status NoCertificates(const v1::RewardEndpoint& endpoint) {
  return absl::FailedPreconditionError(absl::StrCat(
      "no certificates: reward.endpoints.tls=roles of endpoint '",
      endpoint.name(),
      "', expected security.certs (operant certs create DIR); or set it to "
      "host, if the server's certificate names its host"));
}

absl::Status PlaintextOffLoopback(const v1::RewardEndpoint& endpoint) {
  return absl::FailedPreconditionError(absl::StrCat(
      "reward server in plaintext: reward.endpoints.address='",
      endpoint.address(), "', expected a loopback address since plaintext",
      endpoint.token_file().empty() ? "" : ", and the token_file in it,",
      " may not leave the machine; set reward.endpoints.tls=host if the "
      "server's certificate names its host, or security.certs "
      "(docs/howto/tls.md)"));
}

absl::StatusOr<ChannelCredentials> ToHost(const v1::RewardEndpoint& endpoint) {
  auto credentials = HostCredentials(endpoint.tls_ca());
  if (credentials.ok()) return credentials;
  return absl::Status(
      credentials.status().code(),
      absl::StrCat("reward.endpoints.tls_ca of endpoint '", endpoint.name(),
                   "': ", credentials.status().message()));
}

}  // namespace

absl::StatusOr<ChannelCredentials> EndpointCredentials(
    const v1::RewardEndpoint& endpoint, const Credentials& own) {
  if (endpoint.tls() == "host") return ToHost(endpoint);
  const bool roles =
      endpoint.tls().empty() ? own.encrypted() : endpoint.tls() == "roles";
  if (roles) {
    if (!own.encrypted()) return NoCertificates(endpoint);
    return own.ForPeer(v1::ROLE_REWARD);
  }
  if (!IsLoopbackTarget(endpoint.address())) {
    return PlaintextOffLoopback(endpoint);
  }
  return Credentials::Plaintext()->ForPeer(v1::ROLE_REWARD);
}

}  // namespace operant
