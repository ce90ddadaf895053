// Connections to reward servers, over real sockets: who is talked to, and what
// travels.
#include "common/reward_client/endpoint_credentials.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/synchronization/mutex.h"
#include "common/base/rpc.h"
#include "common/reward_client/reward_stub.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "operant/v1/reward.grpc.pb.h"
#include "tests/testing/certificate_folder.h"

namespace operant {
namespace {

using ::testing::HasSubstr;
using testing_support::CertificateFolder;
using testing_support::LeafOf;

// What a server of someone else's shows: a certificate of its host.
class HostCertificate : public Credentials {
 public:
  explicit HostCertificate(KeyedCertificate leaf) : leaf_(std::move(leaf)) {}
  bool encrypted() const override { return true; }
  std::shared_ptr<grpc::ServerCredentials> ForServer() const override {
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({leaf_.key, leaf_.certificate});
    return grpc::SslServerCredentials(options);
  }
  ChannelCredentials ForPeer(v1::Role) const override { return nullptr; }

 private:
  const KeyedCertificate leaf_;
};

class Greeter : public v1::RewardService::Service {
 public:
  grpc::Status GetInfo(grpc::ServerContext* context, const v1::GetInfoRequest*,
                       v1::GetInfoResponse*) override {
    absl::MutexLock lock(&mu_);
    const auto& metadata = context->client_metadata();
    const auto sent = metadata.find("authorization");
    if (sent != metadata.end()) {
      authorization_.assign(sent->second.data(), sent->second.size());
    }
    return grpc::Status::OK;
  }
  std::string authorization() {
    absl::MutexLock lock(&mu_);
    return authorization_;
  }

 private:
  absl::Mutex mu_;
  std::string authorization_ ABSL_GUARDED_BY(mu_);
};

v1::RewardEndpoint Endpoint(const std::string& address,
                            const std::string& tls) {
  v1::RewardEndpoint endpoint;
  endpoint.set_name("mine");
  endpoint.set_address(address);
  endpoint.set_tls(tls);
  return endpoint;
}

// Greets `endpoint` as a process without certificates of its own does.
absl::Status Greet(const v1::RewardEndpoint& endpoint) {
  auto channel = EndpointCredentials(endpoint, *Credentials::Plaintext());
  if (!channel.ok()) return channel.status();
  RewardStub stub(endpoint.address(), endpoint.token_file(), *channel);
  if (absl::Status read = stub.ReadToken(); !read.ok()) return read;
  return stub.GetInfo({}, absl::Seconds(10)).status();
}

class HostTlsTest : public ::testing::Test {
 protected:
  // `name` as OpenSSL writes it, such as "DNS:localhost".
  v1::RewardEndpoint Serve(const std::string& name) {
    const HostCertificate credentials(folder_.Issue(LeafOf({name})));
    server_ = *RpcServer::Create(
        {.services = {&greeter_},
         .credentials = std::make_shared<HostCertificate>(credentials)});
    v1::RewardEndpoint endpoint =
        Endpoint(absl::StrReplaceAll(server_->address(),
                                     {{"127.0.0.1", "dns:///localhost"}}),
                 "host");
    endpoint.set_tls_ca(folder_.File("ca.crt"));
    return endpoint;
  }

  const CertificateFolder folder_;
  Greeter greeter_;
  std::unique_ptr<RpcServer> server_;
};

TEST_F(HostTlsTest, AServerIsTakenByItsHostNameAndSentTheToken) {
  folder_.Write("token", "open-sesame\n");
  v1::RewardEndpoint endpoint = Serve("DNS:localhost");
  endpoint.set_token_file(folder_.File("token"));
  EXPECT_EQ(Greet(endpoint), absl::OkStatus());
  EXPECT_EQ(greeter_.authorization(), "Bearer open-sesame");
}

TEST_F(HostTlsTest, ACertificateOfAnotherHostIsRefused) {
  EXPECT_EQ(Greet(Serve("DNS:rewards.example")).code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(HostTlsTest, ACertificateOfAnotherCaIsRefused) {
  v1::RewardEndpoint endpoint = Serve("DNS:localhost");
  const CertificateFolder other;
  endpoint.set_tls_ca(other.File("ca.crt"));
  EXPECT_EQ(Greet(endpoint).code(), absl::StatusCode::kUnavailable);
  endpoint.clear_tls_ca();  // the system does not know it either
  EXPECT_EQ(Greet(endpoint).code(), absl::StatusCode::kUnavailable);
}

TEST_F(HostTlsTest, AFileWithoutACaIsRefusedBeforeAnyCall) {
  v1::RewardEndpoint endpoint = Endpoint("rewards.example:1", "host");
  endpoint.set_tls_ca(folder_.File("none.crt"));
  EXPECT_EQ(Greet(endpoint).code(), absl::StatusCode::kNotFound);
  folder_.Write("none.crt", "nothing");
  EXPECT_EQ(Greet(endpoint).code(), absl::StatusCode::kInvalidArgument);
}

TEST(EndpointCredentialsTest, PlaintextStaysOnThisMachine) {
  for (const char* tls : {"", "none"}) {
    EXPECT_TRUE(EndpointCredentials(Endpoint("dns:///localhost:1", tls),
                                    *Credentials::Plaintext())
                    .ok());
    const absl::Status off =
        EndpointCredentials(Endpoint("dns:///rewards.example:1", tls),
                            *Credentials::Plaintext())
            .status();
    EXPECT_EQ(off.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(off.message()), HasSubstr("reward.endpoints.tls"));
  }
}

TEST(EndpointCredentialsTest, RolesNeedCertificates) {
  const absl::Status without =
      EndpointCredentials(Endpoint("127.0.0.1:1", "roles"),
                          *Credentials::Plaintext())
          .status();
  EXPECT_EQ(without.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(without.message()), HasSubstr("security.certs"));
}

TEST(EndpointCredentialsTest, InARunWithCertificatesAnEndpointMayDoWithout) {
  const CertificateFolder folder;
  folder.Add("learner", "r/learner/a");
  const auto own =
      Credentials::Load(folder.Security(), {v1::ROLE_LEARNER, "r"});
  ASSERT_TRUE(own.ok()) << own.status();
  Greeter greeter;
  const auto server = *RpcServer::Create({.services = {&greeter}});
  const auto greet = [&](const std::string& tls) {
    const auto channel =
        EndpointCredentials(Endpoint(server->address(), tls), **own);
    return RewardStub(server->address(), "", *channel)
        .GetInfo({}, absl::Seconds(10))
        .status();
  };
  EXPECT_EQ(greet("none"), absl::OkStatus());
  EXPECT_EQ(greet("").code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace operant
