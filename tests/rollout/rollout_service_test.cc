// A learner's Generate calls over loopback, with an engine that the test
// drives.
#include "rollout/rollout_service.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/base/grpc_status.h"
#include "common/base/rpc.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "tests/testing/fake_generation_engine.h"
#include "tests/testing/tiny_weights.h"

namespace operant::rollout {
namespace {

using ::testing::UnorderedElementsAre;

absl::Time Soon() { return absl::Now() + absl::Seconds(5); }

v1::GenerateRequest Request(const std::vector<std::string>& ids) {
  v1::GenerateRequest request;
  v1::PromptRequest& prompt = *request.add_prompts();
  prompt.add_prompt_token_ids(3);
  for (size_t i = 0; i < ids.size(); ++i) {
    prompt.add_sample_indices(static_cast<uint32_t>(i));
    prompt.add_trajectory_ids(ids[i]);
  }
  return request;
}

class RolloutServiceTest : public ::testing::Test {
 protected:
  RolloutServiceTest()
      : service_("w0"),
        server_(*RpcServer::Create({.services = {&service_}})),
        stub_(v1::RolloutService::NewStub(MakeChannel(server_->address()))) {
    service_.Serve(&engine_);
    SetVersion(2);
  }

  void SetVersion(uint64_t version) {
    ActivePolicy policy = {version, "digest", *engine_.Pack(*TinyImage(1))};
    ASSERT_TRUE(engine_.Swap(std::move(policy), Soon()).ok());
  }

  // One Generate call.
  struct Call {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::GenerateResponse>> reader;

    // The next trajectory, "" at the end of the stream.
    std::string Next() {
      v1::GenerateResponse response;
      if (!reader->Read(&response)) return "";
      last = response.trajectory();
      return last.id();
    }
    absl::StatusCode End() {
      while (!Next().empty()) {
      }
      return FromGrpcStatus(reader->Finish()).code();
    }
    v1::Trajectory last;
  };

  std::unique_ptr<Call> Generate(const v1::GenerateRequest& request) {
    auto call = std::make_unique<Call>();
    SetDeadline(call->context, absl::Seconds(5));
    call->reader = stub_->Generate(&call->context, request);
    return call;
  }

  v1::DrainResponse Drain(uint32_t grace_ms) {
    grpc::ClientContext context;
    SetDeadline(context, absl::Seconds(5));
    v1::DrainRequest request;
    request.set_grace_ms(grace_ms);
    v1::DrainResponse response;
    EXPECT_TRUE(stub_->Drain(&context, request, &response).ok());
    return response;
  }

  FakeGenerationEngine engine_;
  RolloutService service_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<v1::RolloutService::Stub> stub_;
};

TEST_F(RolloutServiceTest, StreamsEachTrajectoryTheMomentItIsFinished) {
  const auto call = Generate(Request({"a", "b", "c"}));
  ASSERT_TRUE(engine_.AwaitWaiting(3, Soon()));
  engine_.FinishSample("b");
  EXPECT_EQ(call->Next(), "b");  // while the others still run
  engine_.FinishSample("c");
  EXPECT_EQ(call->Next(), "c");
  engine_.FinishSample("a");
  EXPECT_EQ(call->Next(), "a");
  EXPECT_EQ(call->End(), absl::StatusCode::kOk);
}

TEST_F(RolloutServiceTest, ASlowReaderLosesNothing) {
  std::vector<std::string> ids;
  for (int i = 0; i < 500; ++i) ids.push_back(std::to_string(i));
  const auto call = Generate(Request(ids));
  ASSERT_TRUE(engine_.AwaitWaiting(ids.size(), Soon()));
  for (const std::string& id : ids) engine_.FinishSample(id);
  std::vector<std::string> got;
  for (std::string id = call->Next(); !id.empty(); id = call->Next()) {
    got.push_back(id);
  }
  EXPECT_EQ(got, ids);
  EXPECT_EQ(call->End(), absl::StatusCode::kOk);
}

TEST_F(RolloutServiceTest, CancellingTheCallFreesItsSlots) {
  const auto call = Generate(Request({"a", "b"}));
  ASSERT_TRUE(engine_.AwaitWaiting(2, Soon()));
  call->context.TryCancel();
  EXPECT_EQ(call->End(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(engine_.WaitIdle(Soon()));
}

TEST_F(RolloutServiceTest, TheDeadlineFreesItsSlots) {
  Call call;
  SetDeadline(call.context, absl::Milliseconds(50));
  call.reader = stub_->Generate(&call.context, Request({"a"}));
  EXPECT_EQ(call.End(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(engine_.WaitIdle(Soon()));
}

TEST_F(RolloutServiceTest, CancelReportsTheNamedSamplesAsAborted) {
  const auto call = Generate(Request({"a", "b"}));
  ASSERT_TRUE(engine_.AwaitWaiting(2, Soon()));
  grpc::ClientContext context;
  SetDeadline(context, absl::Seconds(5));
  v1::CancelRequest request;
  request.add_trajectory_ids("b");
  request.add_trajectory_ids("unknown");
  v1::CancelResponse response;
  ASSERT_TRUE(stub_->Cancel(&context, request, &response).ok());
  EXPECT_EQ(response.cancelled(), 1u);
  EXPECT_EQ(call->Next(), "b");
  EXPECT_EQ(call->last.finish(), v1::FINISH_REASON_ABORTED);
  engine_.FinishSample("a");
  EXPECT_EQ(call->Next(), "a");
  EXPECT_EQ(call->End(), absl::StatusCode::kOk);
}

TEST_F(RolloutServiceTest, RefusesAVersionThatIsNotHereYet) {
  v1::GenerateRequest request = Request({"a"});
  request.set_min_policy_version(3);
  EXPECT_EQ(Generate(request)->End(), absl::StatusCode::kFailedPrecondition);
  request.set_min_policy_version(2);
  const auto call = Generate(request);
  EXPECT_TRUE(engine_.AwaitWaiting(1, Soon()));
  engine_.FinishSample("a");
  EXPECT_EQ(call->End(), absl::StatusCode::kOk);
}

TEST_F(RolloutServiceTest, RefusesAMalformedRequest) {
  EXPECT_EQ(Generate({})->End(), absl::StatusCode::kInvalidArgument);
}

TEST_F(RolloutServiceTest, TheEnginesRefusalEndsTheCall) {
  engine_.set_submit_error(absl::ResourceExhaustedError("queue full"));
  EXPECT_EQ(Generate(Request({"a"}))->End(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(RolloutServiceTest, StatusSaysWhatTheWorkerDoes) {
  const auto call = Generate(Request({"a", "b"}));
  ASSERT_TRUE(engine_.AwaitWaiting(2, Soon()));
  grpc::ClientContext context;
  SetDeadline(context, absl::Seconds(5));
  v1::GetRolloutStatusResponse status;
  ASSERT_TRUE(stub_->GetStatus(&context, {}, &status).ok());
  EXPECT_EQ(status.worker_id(), "w0");
  EXPECT_TRUE(status.has_weights());
  EXPECT_EQ(status.policy_version(), 2u);
  EXPECT_EQ(status.waiting_sequences(), 2u);
  EXPECT_FALSE(status.draining());
  engine_.AbortAll();
  EXPECT_EQ(call->End(), absl::StatusCode::kOk);
}

TEST_F(RolloutServiceTest, DrainingAbortsWhatItsGraceDidNotFinish) {
  const auto call = Generate(Request({"a", "b"}));
  ASSERT_TRUE(engine_.AwaitWaiting(2, Soon()));
  const v1::DrainResponse drained = Drain(0);
  EXPECT_EQ(drained.aborted(), 2u);
  EXPECT_EQ(drained.finished(), 0u);
  EXPECT_EQ(Generate(Request({"c"}))->End(), absl::StatusCode::kUnavailable);
  EXPECT_THAT((std::vector<std::string>{call->Next(), call->Next()}),
              UnorderedElementsAre("a", "b"));
  EXPECT_EQ(call->last.finish(), v1::FINISH_REASON_ABORTED);
  EXPECT_EQ(call->End(), absl::StatusCode::kOk);
}

TEST_F(RolloutServiceTest, DrainingWaitsForWhatIsInFlight) {
  const auto call = Generate(Request({"a"}));
  ASSERT_TRUE(engine_.AwaitWaiting(1, Soon()));
  service_.StartDrain(absl::Seconds(5), [](auto) {});
  EXPECT_FALSE(service_.WaitDrained(absl::Now() + absl::Milliseconds(20)));
  engine_.FinishSample("a");
  EXPECT_TRUE(service_.WaitDrained(Soon()));
  EXPECT_EQ(Drain(0).finished(), 1u);  // the answer is the first drain's
  EXPECT_EQ(call->End(), absl::StatusCode::kOk);
}

TEST(RolloutServiceStartTest, AnswersUnavailableBeforeItServes) {
  RolloutService service("w0");
  const auto server = *RpcServer::Create({.services = {&service}});
  const auto stub = v1::RolloutService::NewStub(MakeChannel(server->address()));
  grpc::ClientContext context;
  SetDeadline(context, absl::Seconds(5));
  v1::GenerateResponse response;
  const auto reader = stub->Generate(&context, Request({"a"}));
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_TRUE(absl::IsUnavailable(FromGrpcStatus(reader->Finish())));
}

}  // namespace
}  // namespace operant::rollout
