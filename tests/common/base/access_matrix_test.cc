// Who may call what, over real connections: every identity against every
// method, and certificates that change under load.
#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/base/credentials.h"
#include "common/base/method_roles.h"
#include "common/base/rpc.h"
#include "common/base/token_file.h"
#include "gmock/gmock.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_certificate_verifier.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "gtest/gtest.h"
#include "operant/v1/coordinator.grpc.pb.h"
#include "operant/v1/ranks.grpc.pb.h"
#include "operant/v1/reward.grpc.pb.h"
#include "operant/v1/rollout.grpc.pb.h"
#include "operant/v1/weights.grpc.pb.h"
#include "tests/testing/certificate_folder.h"

namespace operant {
namespace {

namespace tls = grpc::experimental;

using grpc::StatusCode;
using testing_support::CertificateFolder;
using testing_support::LeafOf;
using testing_support::ValidNow;

constexpr char kL[] = "learner", kW[] = "rollout", kO[] = "operator";

// The rules, said a second time: roles by method.
const std::map<std::string, std::set<std::string>>& Declared() {
  static const auto& declared =
      *new std::map<std::string, std::set<std::string>>{
          {"/grpc.health.v1.Health/Check", {kL, kW, kO}},
          {"/grpc.health.v1.Health/Watch", {kL, kW, kO}},
          {"/operant.v1.CoordinatorService/Heartbeat", {kW}},
          {"/operant.v1.CoordinatorService/Leave", {kW}},
          {"/operant.v1.CoordinatorService/Register", {kW}},
          {"/operant.v1.RewardService/GetInfo", {kL, kO}},
          {"/operant.v1.RewardService/Score", {kL, kO}},
          {"/operant.v1.RewardService/ScoreStream", {kL, kO}},
          {"/operant.v1.RolloutService/Cancel", {kL}},
          {"/operant.v1.RolloutService/Drain", {kL, kO}},
          {"/operant.v1.RolloutService/Generate", {kL}},
          {"/operant.v1.RolloutService/GetStatus", {kL, kO}},
          {"/operant.v1.RankService/GetMeeting", {kL}},
          {"/operant.v1.RankService/Join", {kL}},
          {"/operant.v1.RankService/PutMeeting", {kL}},
          {"/operant.v1.RankService/Report", {kL}},
          {"/operant.v1.WeightService/GetStatus", {kL, kO}},
          {"/operant.v1.WeightService/Push", {kL}},
          {"/operant.v1.WeightSourceService/Fetch", {kW}},
      };
  return declared;
}

TEST(MethodRolesTest, TheTableHoldsWhatIsDeclared) {
  ASSERT_EQ(AllMethodRoles().size(), Declared().size())
      << "a method was added: declare it here, too";
  for (const auto& [path, roles] : Declared()) {
    for (const char* role : {"learner", "rollout", "reward", "operator"}) {
      EXPECT_EQ(MayCall(ParseRole(role), path), roles.contains(role))
          << role << " " << path;
    }
    EXPECT_FALSE(MayCall(v1::ROLE_UNSPECIFIED, path));
  }
  EXPECT_FALSE(MayCall(v1::ROLE_LEARNER, "/operant.v1.RolloutService/New"));
}

// A server of everything; its handlers answer UNIMPLEMENTED, so that a call
// which got through is told from one that was denied.
class Everything {
 public:
  std::vector<grpc::Service*> services() {
    return {&coordinator_, &ranks_, &rollout_, &weights_, &source_, &reward_};
  }

 private:
  v1::CoordinatorService::Service coordinator_;
  v1::RankService::Service ranks_;
  v1::RolloutService::Service rollout_;
  v1::WeightService::Service weights_;
  v1::WeightSourceService::Service source_;
  v1::RewardService::Service reward_;
};

// What an attacker's client shows: any certificate, good or not, to any server.
struct Shown {
  KeyedCertificate certificate;  // empty: none
  std::string token;             // empty: none
};

std::shared_ptr<grpc::Channel> Dial(const std::string& address,
                                    const std::string& ca, const Shown& shown) {
  std::vector<tls::IdentityKeyCertPair> pairs;
  if (!shown.certificate.key.empty()) {
    pairs.push_back({shown.certificate.key, shown.certificate.certificate});
  }
  tls::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(
      std::make_shared<tls::StaticDataCertificateProvider>(ca, pairs));
  options.watch_root_certs();
  if (!pairs.empty()) options.watch_identity_key_cert_pairs();
  options.set_check_call_host(false);
  options.set_certificate_verifier(
      std::make_shared<tls::NoOpCertificateVerifier>());
  return MakeChannel(address, tls::TlsCredentials(options));
}

StatusCode Call(const std::shared_ptr<grpc::Channel>& channel,
                const std::string& method, const std::string& token) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  // Watch never ends by itself once it got through.
  SetDeadline(context, absl::EndsWith(method, "/Watch") ? absl::Seconds(1)
                                                        : absl::Seconds(10));
  if (!token.empty()) {
    context.AddMetadata("authorization", absl::StrCat("Bearer ", token));
  }
  const grpc::Slice empty;
  const grpc::ByteBuffer request(&empty, 1);
  grpc::ByteBuffer response;
  grpc::Status status;
  absl::Notification done;
  stub.UnaryCall(&context, method, {}, &request, &response,
                 [&](grpc::Status s) {
                   status = s;
                   done.Notify();
                 });
  done.WaitForNotification();  // the deadline bounds it
  return status.error_code();
}

// Whether a call reached its handler.
bool GotThrough(const std::string& method, StatusCode code) {
  if (method == "/grpc.health.v1.Health/Check") return code == StatusCode::OK;
  if (method == "/grpc.health.v1.Health/Watch") {
    return code == StatusCode::DEADLINE_EXCEEDED;
  }
  return code == StatusCode::UNIMPLEMENTED;
}

class AccessMatrixTest : public testing::Test {
 protected:
  AccessMatrixTest() {
    folder_.Add("learner", "r1/learner/a");
    folder_.Write("token", token_);
    v1::SecuritySection security = folder_.Security();
    security.set_token_file(folder_.File("token"));
    auto credentials = Credentials::Load(security, {v1::ROLE_LEARNER, "r1"});
    EXPECT_TRUE(credentials.ok()) << credentials.status();
    server_ = *RpcServer::Create(
        {.services = everything_.services(), .credentials = *credentials});
  }

  Shown Showing(std::vector<std::string> names) const {
    return {folder_.Issue(LeafOf(std::move(names))), token_};
  }

  // Every method answers `code`, whoever may call it.
  void ExpectAll(const std::string& who, const Shown& shown, StatusCode code) {
    const auto channel =
        Dial(server_->address(), folder_.authority().certificate, shown);
    for (const auto& [method, roles] : Declared()) {
      EXPECT_EQ(Call(channel, method, shown.token), code)
          << who << " " << method;
    }
  }

  // Every method that `role` may call is served, every other one denied.
  void ExpectRole(const std::string& role, const Shown& shown) {
    const auto channel =
        Dial(server_->address(), folder_.authority().certificate, shown);
    for (const auto& [method, roles] : Declared()) {
      const StatusCode code = Call(channel, method, shown.token);
      if (roles.contains(role)) {
        EXPECT_TRUE(GotThrough(method, code)) << role << " " << method << code;
      } else {
        EXPECT_EQ(code, StatusCode::PERMISSION_DENIED) << role << " " << method;
      }
    }
    EXPECT_EQ(Call(channel, "/operant.v1.RolloutService/New", shown.token),
              StatusCode::PERMISSION_DENIED);
  }

  const CertificateFolder folder_;
  const std::string token_ = RandomToken();
  Everything everything_;
  std::unique_ptr<RpcServer> server_;
};

TEST_F(AccessMatrixTest, EachRoleMayCallWhatIsDeclared) {
  ExpectRole("learner", Showing({"URI:spiffe://operant/r1/learner/b"}));
  ExpectRole("rollout", Showing({"URI:spiffe://operant/r1/rollout/w1"}));
  ExpectRole("operator", Showing({"URI:spiffe://operant/r1/operator/eve"}));
  ExpectRole("reward", Showing({"URI:spiffe://operant/r1/reward/x"}));
}

TEST_F(AccessMatrixTest, WithoutAVerifiedCertificateNothingIsReached) {
  constexpr char kName[] = "URI:spiffe://operant/r1/learner/b";
  const absl::Time now = absl::Now();
  ExpectAll("no certificate", {{}, token_}, StatusCode::UNAVAILABLE);
  ExpectAll("expired",
            {folder_.Issue(
                 LeafOf({kName}, {now - absl::Hours(2), now - absl::Hours(1)})),
             token_},
            StatusCode::UNAVAILABLE);
  ExpectAll("not yet valid",
            {folder_.Issue(
                 LeafOf({kName}, {now + absl::Hours(1), now + absl::Hours(2)})),
             token_},
            StatusCode::UNAVAILABLE);
  const auto other = CreateAuthority("test CA", ValidNow()).value();
  ExpectAll("wrong CA", {IssueLeaf(other, LeafOf({kName})).value(), token_},
            StatusCode::UNAVAILABLE);
  LeafRequest callee = LeafOf({kName});
  callee.as_client = false;
  ExpectAll("server's certificate", {folder_.Issue(callee), token_},
            StatusCode::UNAVAILABLE);
  const auto plaintext = MakeChannel(server_->address());
  for (const auto& [method, roles] : Declared()) {
    EXPECT_EQ(Call(plaintext, method, ""), StatusCode::UNAVAILABLE);
  }
}

TEST_F(AccessMatrixTest, ACertificateWithoutOneIdentityIsUnauthenticated) {
  ExpectAll("two URIs",
            Showing({"URI:spiffe://operant/r1/learner/b",
                     "URI:spiffe://operant/r1/operator/b"}),
            StatusCode::UNAUTHENTICATED);
  ExpectAll("DNS that looks like one",
            Showing({"DNS:spiffe://operant/r1/learner/b"}),
            StatusCode::UNAUTHENTICATED);
  ExpectAll("no name", Showing({}), StatusCode::UNAUTHENTICATED);
  ExpectAll("unknown role", Showing({"URI:spiffe://operant/r1/king/b"}),
            StatusCode::UNAUTHENTICATED);
}

TEST_F(AccessMatrixTest, AnotherRunOrTrustDomainIsDenied) {
  ExpectAll("other run", Showing({"URI:spiffe://operant/r2/learner/b"}),
            StatusCode::PERMISSION_DENIED);
  ExpectAll("other domain", Showing({"URI:spiffe://other/r1/learner/b"}),
            StatusCode::PERMISSION_DENIED);
  ExpectAll("reward of no run", Showing({"URI:spiffe://operant/reward/b"}),
            StatusCode::PERMISSION_DENIED);
}

TEST_F(AccessMatrixTest, WithoutAValidTokenACallIsUnauthenticated) {
  Shown shown = Showing({"URI:spiffe://operant/r1/learner/b"});
  shown.token = "";
  ExpectAll("no token", shown, StatusCode::UNAUTHENTICATED);
  shown.token = RandomToken();
  ExpectAll("wrong token", shown, StatusCode::UNAUTHENTICATED);
  folder_.Write("token", RandomToken());
  absl::SleepFor(absl::Milliseconds(1100));  // reload_seconds
  shown.token = token_;
  ExpectAll("revoked token", shown, StatusCode::UNAUTHENTICATED);
}

absl::StatusOr<std::shared_ptr<const Credentials>> LoadRollout(
    const CertificateFolder& folder) {
  return Credentials::Load(folder.Security(), {v1::ROLE_ROLLOUT, "r1"});
}

TEST(CredentialsTest, AClientAcceptsAServerByItsRole) {
  const CertificateFolder folder;
  folder.Add("learner", "r1/learner/a");
  folder.Add("rollout", "r1/rollout/w");
  Everything everything;
  const auto learner =
      *Credentials::Load(folder.Security(), {v1::ROLE_LEARNER, "r1"});
  const auto rollout = *LoadRollout(folder);
  const auto server = *RpcServer::Create(
      {.services = everything.services(), .credentials = learner});
  constexpr char kRegister[] = "/operant.v1.CoordinatorService/Register";
  const auto dial = [&](v1::Role role) {
    return Call(MakeChannel(server->address(), rollout->ForPeer(role)),
                kRegister, "");
  };
  EXPECT_EQ(dial(v1::ROLE_LEARNER), StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(dial(v1::ROLE_ROLLOUT), StatusCode::UNAVAILABLE);
  EXPECT_EQ(dial(v1::ROLE_REWARD), StatusCode::UNAVAILABLE);
}

TEST(CredentialsTest, AClientRefusesAServerOfAnotherRun) {
  const CertificateFolder folder;
  folder.Add("learner", "r2/learner/a");
  folder.Add("rollout", "r1/rollout/w");
  Everything everything;
  const auto server =
      *RpcServer::Create({.services = everything.services(),
                          .credentials = *Credentials::Load(
                              folder.Security(), {v1::ROLE_LEARNER, "r2"})});
  EXPECT_EQ(Call(MakeChannel(server->address(),
                             (*LoadRollout(folder))->ForPeer(v1::ROLE_LEARNER)),
                 "/operant.v1.CoordinatorService/Register", ""),
            StatusCode::UNAVAILABLE);
}

TEST(CredentialsTest, AnEncryptedServerMayLeaveLoopback) {
  const CertificateFolder folder;
  folder.Add("rollout", "r1/rollout/w");
  Everything everything;
  EXPECT_TRUE(RpcServer::Create({.address = "0.0.0.0:0",
                                 .services = everything.services(),
                                 .credentials = *LoadRollout(folder)})
                  .ok());
}

TEST(CredentialsTest, PlaintextIsAskedForAndStaysOnLoopback) {
  v1::SecuritySection security;
  const Credentials::Use use{v1::ROLE_LEARNER, "r1"};
  EXPECT_EQ(Credentials::Load(security, use).status().code(),
            absl::StatusCode::kFailedPrecondition);
  security.set_plaintext(true);
  const auto plaintext = Credentials::Load(security, use);
  ASSERT_TRUE(plaintext.ok()) << plaintext.status();
  EXPECT_FALSE((*plaintext)->encrypted());
  EXPECT_TRUE(CheckDialable("127.0.0.1:7070", **plaintext).ok());
  for (const char* address : {"10.0.0.1:7070", "dns:///learner:7070"}) {
    EXPECT_EQ(CheckDialable(address, **plaintext).code(),
              absl::StatusCode::kFailedPrecondition);
  }
}

TEST(CredentialsTest, ACertificateOfAnotherProcessIsRefused) {
  const CertificateFolder folder;
  for (const char* identity :
       {"r1/rollout/w", "r2/learner/a", "r1/operator/eve"}) {
    folder.Add("learner", identity);
    EXPECT_EQ(Credentials::Load(folder.Security(), {v1::ROLE_LEARNER, "r1"})
                  .status()
                  .code(),
              absl::StatusCode::kFailedPrecondition)
        << identity;
  }
}

// Certificates, their CA and the token change while calls run on old and on
// new connections: none may fail.
TEST(CredentialsTest, RotationUnderLoadLosesNoCall) {
  CertificateFolder folder;
  folder.Add("learner", "r1/learner/a");
  folder.Add("rollout", "r1/rollout/w");
  const std::string old_token = RandomToken(), new_token = RandomToken();
  folder.Write("token", old_token + "\n" + new_token);
  v1::SecuritySection security = folder.Security();
  security.set_token_file(folder.File("token"));
  Everything everything;
  const auto learner = *Credentials::Load(security, {v1::ROLE_LEARNER, "r1"});
  const auto rollout = *Credentials::Load(security, {v1::ROLE_ROLLOUT, "r1"});
  const auto server = *RpcServer::Create(
      {.services = everything.services(), .credentials = rollout});
  constexpr char kStatus[] = "/operant.v1.RolloutService/GetStatus";
  std::atomic<bool> stop = false;
  std::atomic<int> calls = 0, failures = 0;
  const auto work = [&](bool fresh) {
    const auto dial = [&] {
      return MakeChannel(server->address(), learner->ForPeer(v1::ROLE_ROLLOUT));
    };
    for (auto channel = dial(); !stop; ++calls) {
      if (fresh) channel = dial();
      failures += Call(channel, kStatus, "") != StatusCode::UNIMPLEMENTED;
      absl::SleepFor(absl::Milliseconds(2));
    }
  };
  std::thread steady(work, false), renewing(work, true);
  absl::SleepFor(absl::Milliseconds(500));
  // First both CAs, then leaves of the new one, and the new token first.
  const auto next = CreateAuthority("next CA", ValidNow()).value();
  folder.Write("ca.crt", folder.authority().certificate + next.certificate);
  absl::SleepFor(absl::Milliseconds(2200));
  for (const char* role : {"learner", "rollout"}) {
    const auto leaf =
        IssueLeaf(
            next,
            LeafOf({absl::StrCat("URI:spiffe://operant/r1/", role, "/new")}))
            .value();
    folder.Write(absl::StrCat(role, ".pem"), leaf.key + leaf.certificate);
  }
  folder.Write("token", new_token + "\n" + old_token);
  absl::SleepFor(absl::Milliseconds(2200));
  stop = true;
  steady.join();
  renewing.join();
  EXPECT_EQ(failures, 0) << "of " << calls;
  EXPECT_GT(calls, 100);
  // Who knows the new CA alone reaches the server: the new leaf is in use.
  const Shown shown{IssueLeaf(next, LeafOf({"URI:spiffe://operant/r1/learner/"
                                            "x"}))
                        .value(),
                    new_token};
  EXPECT_EQ(Call(Dial(server->address(), next.certificate, shown), kStatus,
                 new_token),
            StatusCode::UNIMPLEMENTED);
}

}  // namespace
}  // namespace operant
