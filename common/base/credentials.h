// The one place that makes gRPC credentials: what a process shows, and whom it
// accepts. Servers take Credentials whole (RpcServer::Options), channels take
// what ForPeer, or HostCredentials, returns (MakeChannel).
#ifndef OPERANT_COMMON_BASE_CREDENTIALS_H_
#define OPERANT_COMMON_BASE_CREDENTIALS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/certificate.h"
#include "common/base/identity.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "operant/v1/config.pb.h"

namespace operant {

using ChannelCredentials = std::shared_ptr<grpc::ChannelCredentials>;

// Immutable and thread-safe; shared by a process's server and its channels.
class Credentials {
 public:
  // No encryption and no identities: for loopback addresses only, which
  // RpcServer and CheckDialable enforce.
  static std::shared_ptr<const Credentials> Plaintext();

  struct Use {
    v1::Role role;    // that the certificate must have
    std::string run;  // and its run; empty: whatever it says
  };
  // What `security` says: mutual TLS with the files it names, or Plaintext if
  // it says plaintext. Files are looked at every reload_seconds: new
  // certificates and CAs hold for new connections, new tokens for new calls.
  // Errors: FailedPrecondition (neither files nor plaintext; a certificate of
  // another role, run or trust domain; and as CheckTlsFiles); as TokenFile.
  static absl::StatusOr<std::shared_ptr<const Credentials>> Load(
      const v1::SecuritySection& security, const Use& use);

  virtual ~Credentials() = default;

  virtual bool encrypted() const = 0;

  // For a server: every call is authorised (authorization.h) and needs a token
  // if there is a token file. Calls of operators are logged.
  virtual std::shared_ptr<grpc::ServerCredentials> ForServer() const = 0;

  // For a channel to a server of role `peer`, whatever its address: its
  // certificate says who it is. Learners and workers are sent the run's token,
  // reward servers never.
  virtual ChannelCredentials ForPeer(v1::Role peer) const = 0;
};

// TLS to a server that is verified by its host name and is shown nothing: a
// reward server without an identity of ours. `ca_file` holds the CAs that are
// trusted, and is looked at every ten seconds for new ones; "": those that the
// system trusts. Errors: NotFound; InvalidArgument (no certificate in it).
absl::StatusOr<ChannelCredentials> HostCredentials(const std::string& ca_file);

// OK if `credentials` may dial `address`: FailedPrecondition for plaintext to
// anything but a loopback address.
absl::Status CheckDialable(const std::string& address,
                           const Credentials& credentials);

// The files of `security` for a process of role `role`: those it names, else
// CERTS/ROLE.pem and CERTS/ca.crt.
TlsFiles TlsFilesOf(const v1::SecuritySection& security, v1::Role role);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_CREDENTIALS_H_
