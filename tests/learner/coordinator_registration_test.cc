// Who may join a run: workers of its protocol, model and tokenizer.
#include <memory>
#include <string>

#include "common/base/rpc.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "learner/coordinator.h"
#include "operant/v1/coordinator.grpc.pb.h"

namespace operant::learner {
namespace {

class CoordinatorRegistrationTest : public testing::Test {
 protected:
  static v1::RegisterRequest Fitting() {
    v1::RegisterRequest request;
    request.set_protocol_version(1);
    request.set_worker_id("w0");
    request.set_address("127.0.0.1:1");
    request.set_slots(1);
    request.set_model_digest("model-a");
    request.set_tokenizer_digest("tokenizer-a");
    return request;
  }

  grpc::Status Register(const v1::RegisterRequest& request) {
    v1::RegisterResponse response;
    grpc::ClientContext context;
    SetDeadline(context, absl::Minutes(1));
    return stub_->Register(&context, request, &response);
  }

  // Refused with a typed error that says `difference` and what to do; the
  // worker is no member.
  void ExpectRefused(const v1::RegisterRequest& request,
                     const std::string& difference) {
    const grpc::Status status = Register(request);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_THAT(status.error_message(),
                testing::AllOf(testing::HasSubstr("'w0' refused: "),
                               testing::HasSubstr(difference),
                               testing::HasSubstr("; start")));
    EXPECT_TRUE(coordinator_->workers().empty());
  }

  std::unique_ptr<MetricRegistry> metrics_ = MetricRegistry::Create();
  std::unique_ptr<Coordinator> coordinator_ = Coordinator::Create(
      {.model_digest = "model-a", .tokenizer_digest = "tokenizer-a"},
      metrics_.get());
  std::unique_ptr<RpcServer> server_ =
      *RpcServer::Create({.services = coordinator_->services()});
  std::unique_ptr<v1::CoordinatorService::Stub> stub_ =
      v1::CoordinatorService::NewStub(MakeChannel(server_->address()));
};

TEST_F(CoordinatorRegistrationTest, AWorkerThatFitsIsAMember) {
  EXPECT_TRUE(Register(Fitting()).ok());
  EXPECT_EQ(coordinator_->workers().size(), 1u);
}

TEST_F(CoordinatorRegistrationTest, AWorkerThatWillTakeTheRunsModelIsAMember) {
  v1::RegisterRequest request = Fitting();
  request.clear_model_digest();
  request.clear_tokenizer_digest();
  EXPECT_TRUE(Register(request).ok());
  EXPECT_EQ(coordinator_->workers().size(), 1u);
}

TEST_F(CoordinatorRegistrationTest, AnotherProtocolIsRefused) {
  for (const uint32_t protocol : {0u, 2u}) {
    v1::RegisterRequest request = Fitting();
    request.set_protocol_version(protocol);
    ExpectRefused(request, "protocol_version=" + std::to_string(protocol) +
                               ", expected 1");
  }
}

TEST_F(CoordinatorRegistrationTest, AnotherModelIsRefused) {
  v1::RegisterRequest request = Fitting();
  request.set_model_digest("model-b");
  ExpectRefused(request, "model_digest=model-b, expected model-a");
}

TEST_F(CoordinatorRegistrationTest, AnotherTokenizerIsRefused) {
  v1::RegisterRequest request = Fitting();
  request.set_tokenizer_digest("tokenizer-b");
  ExpectRefused(request, "tokenizer_digest=tokenizer-b, expected tokenizer-a");
}

TEST_F(CoordinatorRegistrationTest, ARefusalLeavesTheMemberOfThatNameAlone) {
  ASSERT_TRUE(Register(Fitting()).ok());
  v1::RegisterRequest request = Fitting();
  request.set_model_digest("model-b");
  EXPECT_FALSE(Register(request).ok());
  ASSERT_EQ(coordinator_->workers().size(), 1u);
  EXPECT_EQ(coordinator_->workers()[0].epoch, 1u);
}

}  // namespace
}  // namespace operant::learner
