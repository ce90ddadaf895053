// Servers that are slow, busy, gone or back.
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "common/base/exit_code.h"
#include "tests/common/reward_client/gateway_fixture.h"

namespace operant::testing {
namespace {

TEST_F(GatewayTest, FlakyServerIsAskedAgain) {
  ScriptedRewardServer server([](int call, const v1::ScoreRequest&,
                                 v1::ScoreResponse&) {
    return call < 2 ? grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "busy")
                    : grpc::Status::OK;
  });
  Connect(server);
  const auto scores = Score(4);
  ASSERT_TRUE(scores.ok()) << scores.status();
  EXPECT_EQ((*scores)[0].attempts, 3);
  EXPECT_EQ(Metric("operant_reward_retries_total{endpoint=\"double\"}"), 2);
}

TEST_F(GatewayTest, OnlyFailedItemsAreAskedAgain) {
  ScriptedRewardServer server(SpoilFirst([](v1::ScoreResult& result) {
    result.mutable_error()->set_code(14);
    result.mutable_error()->set_retryable(true);
  }));
  Connect(server);
  const auto scores = Score(4);
  ASSERT_TRUE(scores.ok()) << scores.status();
  EXPECT_EQ((*scores)[0].attempts, 2);
  EXPECT_EQ((*scores)[1].attempts, 1);
  ASSERT_EQ(server.requests().size(), 2);
  EXPECT_EQ(server.requests()[1].items_size(), 1);
}

TEST_F(GatewayTest, AFailedItemIsAskedAgainWithItsWholeGroup) {
  ScriptedRewardServer server(SpoilFirst([](v1::ScoreResult& result) {
    result.mutable_error()->set_code(14);
    result.mutable_error()->set_retryable(true);
  }));
  server.info().add_needs(v1::GetInfoResponse::WHOLE_GROUP);
  v1::RewardSection config = Config();
  config.set_batch_items(8);
  Connect(server, config);
  ASSERT_TRUE(Score(8).ok());
  ASSERT_EQ(server.requests().size(), 2);
  EXPECT_EQ(server.requests()[1].items_size(), 4);
}

TEST_F(GatewayTest, RetriesThatAreSpentStopTheRunAsUnavailable) {
  ScriptedRewardServer server(
      [](int, const v1::ScoreRequest&, v1::ScoreResponse&) {
        return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "busy");
      });
  Connect(server);
  const absl::Status status = Score(4).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ExitCodeFor(status), ExitCode::kRewardUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("attempts=3"));
  EXPECT_EQ(server.requests().size(), 3);
}

TEST_F(GatewayTest, SlowServerRunsIntoItsDeadline) {
  ScriptedRewardServer server(
      [](int, const v1::ScoreRequest&, v1::ScoreResponse&) {
        absl::SleepFor(absl::Milliseconds(300));
        return grpc::Status::OK;
      });
  v1::RewardSection config = Config();
  config.set_max_retries(1);
  AddEndpoint("double", server.address(), config);
  config.mutable_endpoints(0)->set_deadline_ms(50);
  Connect(config);
  ASSERT_TRUE(gateway_->Handshake().ok());
  const absl::Status status = Score(4).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ExitCodeFor(status), ExitCode::kRewardUnavailable);
}

TEST_F(GatewayTest, ServerThatWasNeverThereFailsTheHandshake) {
  std::string address;
  {
    const ScriptedRewardServer gone;
    address = gone.address();
  }
  v1::RewardSection config = Config();
  AddEndpoint("double", address, config);
  Connect(config);
  const absl::Time start = absl::Now();
  const absl::Status status = gateway_->Handshake();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ExitCodeFor(status), ExitCode::kRewardUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr(address));
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(300));
}

TEST_F(GatewayTest, ServerThatDiesIsAwaitedAndThenStopsTheRun) {
  ScriptedRewardServer server;
  Connect(server);
  ASSERT_TRUE(Score(4).ok());
  server.Stop();
  const absl::Time start = absl::Now();
  const absl::Status status = Score(4).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ExitCodeFor(status), ExitCode::kRewardUnavailable);
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(300));
}

// The channel knows before any call fails.
TEST_F(GatewayTest, ServerThatLeftBetweenTwoStepsIsUnreachable) {
  ScriptedRewardServer server;
  Connect(server);
  ASSERT_TRUE(Score(4).ok());
  server.Stop();
  absl::SleepFor(absl::Milliseconds(200));
  EXPECT_FALSE(Score(4).ok());
  EXPECT_EQ(Metric("operant_reward_unreachable{endpoint=\"double\"}"), 1);
}

TEST_F(GatewayTest, ServerThatComesBackIsGreetedAndUsed) {
  ScriptedRewardServer server;
  v1::RewardSection config = Config();
  config.set_unavailable_wait_ms(10'000);
  Connect(server, config);
  server.Stop();
  std::thread reviver([&server] {
    absl::SleepFor(absl::Milliseconds(200));
    server.info().set_version("2");
    server.Start(server.address());
  });
  const auto scores = Score(4);
  reviver.join();
  ASSERT_TRUE(scores.ok()) << scores.status();
  EXPECT_GT((*scores)[0].attempts, 1);
  EXPECT_EQ((*scores)[0].server, "double scripted/2");
}

TEST_F(GatewayTest, ServerThatComesBackOnAnotherLevelIsRefused) {
  ScriptedRewardServer server;
  Connect(server);
  ASSERT_TRUE(Score(4).ok());
  server.Stop();
  server.info().set_api_level(0);
  server.Start(server.address());
  const absl::Status status = Score(4).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("api_level=0"));
}

TEST_F(GatewayTest, DeadServerIsTriedSeldomWhileTheCircuitIsOpen) {
  ScriptedRewardServer server(
      [](int, const v1::ScoreRequest&, v1::ScoreResponse&) {
        return grpc::Status(grpc::StatusCode::UNAVAILABLE, "going down");
      });
  server.info().set_max_inflight_batches(8);
  v1::RewardSection config = With("drop");
  config.set_drop_limit(1);
  config.set_unavailable_wait_ms(1000);
  Connect(server, config);
  ASSERT_TRUE(Score(64).ok());  // 16 batches, all dropped
  // Without a breaker each batch would try more than ten times in a second.
  EXPECT_LT(server.requests().size(), 60);
  EXPECT_EQ(Metric("operant_reward_circuit_open{endpoint=\"double\"}"), 1);
  EXPECT_EQ(Metric("operant_reward_items_total{endpoint=\"double\",outcome="
                   "\"unavailable\"}"),
            64);
}

}  // namespace
}  // namespace operant::testing
