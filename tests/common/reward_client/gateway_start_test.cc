// What is refused before anything is asked.
#include <string>

#include "common/reward_client/routing.h"
#include "tests/common/reward_client/gateway_fixture.h"

namespace operant::testing {
namespace {

TEST_F(GatewayTest, WeightForAnUnknownComponentIsRefusedAtStart) {
  const ScriptedRewardServer server;
  v1::RewardSection config = Config();
  AddEndpoint("double", server.address(), config);
  AddWeight("right", 1, config);
  Connect(config);
  const absl::Status status = gateway_->Handshake();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("component_weights"));
}

TEST_F(GatewayTest, TokenFileWithoutATokenIsRefusedAtStart) {
  const ScriptedRewardServer server;
  v1::RewardSection config = Config();
  AddEndpoint("double", server.address(), config);
  config.mutable_endpoints(0)->set_token_file("/does/not/exist");
  Connect(config);
  const absl::Status status = gateway_->Handshake();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("token_file"));
}

TEST_F(GatewayTest, ScoreBeforeTheHandshakeIsRefused) {
  const ScriptedRewardServer server;
  v1::RewardSection config = Config();
  AddEndpoint("double", server.address(), config);
  Connect(config);
  EXPECT_EQ(Score(1).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(GatewayTest, HandshakeRefusesAServerWithoutALevel) {
  ScriptedRewardServer server;
  server.info().clear_api_level();
  v1::RewardSection config = Config();
  AddEndpoint("double", server.address(), config);
  Connect(config);
  const absl::Status status = gateway_->Handshake();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("api_level=0"));
}

TEST(RoutingTest, DataSourceThatNoEndpointTakesIsRefusedAtStart) {
  v1::RewardSection config = Config();
  AddEndpoint("a", "127.0.0.1:1", config);
  config.mutable_endpoints(0)->add_data_sources("math");
  EXPECT_TRUE(CheckDataSources(config, {"math"}).ok());
  const absl::Status status = CheckDataSources(config, {"code", "math"});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("'code'"));
  AddEndpoint("b", "127.0.0.1:2", config);
  EXPECT_TRUE(CheckDataSources(config, {"code", "math"}).ok());
}

TEST(GatewayCreateTest, RefusesToSendATokenOffTheMachineUnencrypted) {
  const auto metrics = MetricRegistry::Create();
  v1::RewardSection config = Config();
  AddEndpoint("a", "dns:///rewards.example:1", config);
  config.mutable_endpoints(0)->set_token_file("token");
  const absl::Status status =
      RewardGateway::Create({config, "run", ""}, metrics.get()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("token_file"));
  config.mutable_endpoints(0)->set_tls("host");
  EXPECT_TRUE(RewardGateway::Create({config, "run", ""}, metrics.get()).ok());
}

TEST(GatewayCreateTest, RefusesAnUnresolvedConfiguration) {
  const auto metrics = MetricRegistry::Create();
  const auto create = [&metrics](const v1::RewardSection& config) {
    return RewardGateway::Create({config, "run", ""}, metrics.get())
        .status()
        .code();
  };
  v1::RewardSection config = Config();
  EXPECT_EQ(create(config), absl::StatusCode::kInvalidArgument);
  AddEndpoint("a", "127.0.0.1:1", config);
  EXPECT_EQ(create(config), absl::StatusCode::kOk);
  AddEndpoint("a", "127.0.0.1:2", config);
  EXPECT_EQ(create(config), absl::StatusCode::kFailedPrecondition);
  config.mutable_endpoints(1)->set_name("b");
  config.mutable_endpoints(1)->set_weight(0);
  EXPECT_EQ(create(config), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace operant::testing
