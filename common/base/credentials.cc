#include "common/base/credentials.h"

#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/address.h"
#include "common/base/authorization.h"
#include "common/base/config_security.h"
#include "common/base/file_io.h"
#include "common/base/grpc_status.h"
#include "common/base/log.h"
#include "common/base/server_authorizer.h"
#include "common/base/status_macros.h"
#include "common/base/token_file.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_certificate_verifier.h"
#include "grpcpp/security/tls_credentials_options.h"

namespace operant {
namespace {

namespace tls = grpc::experimental;

using Provider = std::shared_ptr<tls::FileWatcherCertificateProvider>;

class PlaintextCredentials : public Credentials {
 public:
  bool encrypted() const override { return false; }
  std::shared_ptr<grpc::ServerCredentials> ForServer() const override {
    return grpc::InsecureServerCredentials();
  }
  ChannelCredentials ForPeer(v1::Role) const override {
    return grpc::InsecureChannelCredentials();
  }
};

// Accepts a server by the identity in its certificate; gRPC has verified the
// chain and the dates before.
class RoleVerifier : public tls::ExternalCertificateVerifier {
 public:
  RoleVerifier(v1::Role wanted, Identity self)
      : wanted_(wanted), self_(std::move(self)) {}

  bool Verify(tls::TlsCustomVerificationCheckRequest* request,
              std::function<void(grpc::Status)> /*callback*/,
              grpc::Status* sync_status) override {
    std::vector<std::string> uris;
    for (const grpc::string_ref& uri : request->uri_names()) {
      uris.emplace_back(uri.data(), uri.size());
    }
    *sync_status = ToGrpcStatus(CheckServer(uris, wanted_, self_));
    return true;  // answered at once
  }
  void Cancel(tls::TlsCustomVerificationCheckRequest*) override {}

 private:
  const v1::Role wanted_;
  const Identity self_;
};

// Sends the first token of a file with each call.
class TokenSender : public grpc::MetadataCredentialsPlugin {
 public:
  explicit TokenSender(std::shared_ptr<TokenFile> tokens)
      : tokens_(std::move(tokens)) {}

  bool IsBlocking() const override { return false; }
  const char* GetType() const override { return "operant-token"; }
  grpc::Status GetMetadata(
      grpc::string_ref /*service_url*/, grpc::string_ref /*method*/,
      const grpc::AuthContext& /*connection*/,
      std::multimap<std::string, std::string>* metadata) override {
    metadata->emplace("authorization",
                      absl::StrCat("Bearer ", tokens_->Current(absl::Now())));
    return grpc::Status::OK;
  }
  // The token stays out of every log.
  grpc::string DebugString() override { return "bearer token from a file"; }

 private:
  const std::shared_ptr<TokenFile> tokens_;
};

ChannelCredentials AddToken(const ChannelCredentials& channel,
                            std::shared_ptr<TokenFile> tokens) {
  return grpc::CompositeChannelCredentials(
      channel, grpc::MetadataCredentialsFromPlugin(
                   std::make_unique<TokenSender>(std::move(tokens))));
}

class MutualTls : public Credentials {
 public:
  MutualTls(Identity self, Provider provider, std::shared_ptr<TokenFile> tokens)
      : self_(std::move(self)),
        provider_(std::move(provider)),
        tokens_(std::move(tokens)) {}

  bool encrypted() const override { return true; }

  std::shared_ptr<grpc::ServerCredentials> ForServer() const override {
    tls::TlsServerCredentialsOptions options(provider_);
    options.watch_root_certs();
    options.watch_identity_key_cert_pairs();
    options.set_cert_request_type(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    auto credentials = tls::TlsServerCredentials(options);
    credentials->SetAuthMetadataProcessor(
        std::make_shared<internal::ServerAuthorizer>(self_, tokens_));
    return credentials;
  }

  ChannelCredentials ForPeer(v1::Role peer) const override {
    tls::TlsChannelCredentialsOptions options;
    options.set_certificate_provider(provider_);
    options.watch_root_certs();
    options.watch_identity_key_cert_pairs();
    options.set_verify_server_certs(true);
    options.set_check_call_host(false);  // the role is checked instead
    options.set_certificate_verifier(
        tls::ExternalCertificateVerifier::Create<RoleVerifier>(peer, self_));
    ChannelCredentials channel = tls::TlsCredentials(options);
    const bool send_token = tokens_ != nullptr && peer != v1::ROLE_REWARD;
    return send_token ? AddToken(channel, tokens_) : channel;
  }

 private:
  const Identity self_;
  const Provider provider_;
  const std::shared_ptr<TokenFile> tokens_;
};

absl::Status CheckUse(const Identity& self, const v1::SecuritySection& security,
                      const Credentials::Use& use, const TlsFiles& files) {
  const bool run_fits =
      use.run.empty() || self.run.empty() || self.run == use.run;
  if (self.role == use.role && run_fits &&
      self.trust_domain == security.trust_domain()) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "certificate of another process: file=", files.certificate,
      ", identity=", self.ToUri(), ", expected spiffe://",
      security.trust_domain(), "/", use.run.empty() ? "RUN" : use.run, "/",
      RoleName(use.role), "/NAME; issue one with operant certs issue"));
}

void WarnIfExpiring(const CertificateInfo& leaf, const TlsFiles& files) {
  constexpr absl::Duration kSoon = absl::Hours(72);
  const absl::Duration left = leaf.not_after - absl::Now();
  if (left > kSoon) return;
  LogWarning(
      "certificate expires soon",
      {{"file", files.certificate}, {"hours_left", absl::ToInt64Hours(left)}});
}

absl::StatusOr<std::shared_ptr<TokenFile>> OpenTokens(const std::string& path,
                                                      int reload_seconds) {
  if (path.empty()) return nullptr;
  return TokenFile::Open(path, absl::Seconds(reload_seconds));
}

absl::Status NoCredentials() {
  return absl::FailedPreconditionError(
      "no certificates: security.certs=nothing, expected the folder that "
      "operant certs create DIR fills; or, on loopback addresses only, set "
      "security.plaintext=true");
}

}  // namespace

std::shared_ptr<const Credentials> Credentials::Plaintext() {
  static const auto& plaintext =
      *new std::shared_ptr<const Credentials>(new PlaintextCredentials);
  return plaintext;
}

absl::StatusOr<std::shared_ptr<const Credentials>> Credentials::Load(
    const v1::SecuritySection& security, const Use& use) {
  if (!HasCertificates(security)) {
    if (!security.plaintext()) return NoCredentials();
    return Plaintext();
  }
  const TlsFiles files = TlsFilesOf(security, use.role);
  ASSIGN_OR_RETURN(const CertificateInfo leaf,
                   CheckTlsFiles(files, absl::Now()));
  ASSIGN_OR_RETURN(Identity self, IdentityOf(leaf));
  RETURN_IF_ERROR(CheckUse(self, security, use, files));
  WarnIfExpiring(leaf, files);
  const int reload = static_cast<int>(security.reload_seconds());
  // A reward server is no party to the run's secret.
  ASSIGN_OR_RETURN(
      std::shared_ptr<TokenFile> tokens,
      OpenTokens(use.role == v1::ROLE_REWARD ? "" : security.token_file(),
                 reload));
  auto provider = std::make_shared<tls::FileWatcherCertificateProvider>(
      files.key, files.certificate, files.ca, reload);
  return std::make_shared<MutualTls>(std::move(self), std::move(provider),
                                     std::move(tokens));
}

absl::StatusOr<ChannelCredentials> HostCredentials(const std::string& ca_file) {
  constexpr unsigned kReloadSeconds = 10;
  tls::TlsChannelCredentialsOptions options;
  options.set_verify_server_certs(true);
  options.set_certificate_verifier(
      std::make_shared<tls::HostNameCertificateVerifier>());
  if (!ca_file.empty()) {
    ASSIGN_OR_RETURN(const std::string pem, ReadFile(ca_file));
    if (!ReadCertificate(pem).ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("no CA: file=", ca_file,
                       ", expected PEM (BEGIN CERTIFICATE); leave it out to "
                       "trust the system's"));
    }
    options.set_certificate_provider(
        std::make_shared<tls::FileWatcherCertificateProvider>(ca_file,
                                                              kReloadSeconds));
    options.watch_root_certs();
  }
  return tls::TlsCredentials(options);
}

absl::Status CheckDialable(const std::string& address,
                           const Credentials& credentials) {
  if (credentials.encrypted()) return absl::OkStatus();
  if (IsLoopbackTarget(address)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "cannot dial: address=", address,
      ", expected a loopback address since plaintext may not leave the "
      "machine; set security.certs (operant certs create DIR)"));
}

TlsFiles TlsFilesOf(const v1::SecuritySection& security, v1::Role role) {
  const auto file = [&](const std::string& named, const std::string& name) {
    return named.empty() ? JoinPath(security.certs(), name) : named;
  };
  const std::string leaf = RoleName(role) + ".pem";
  return {.certificate = file(security.certificate(), leaf),
          .key = file(security.key(), leaf),
          .ca = file(security.ca(), "ca.crt")};
}

}  // namespace operant
