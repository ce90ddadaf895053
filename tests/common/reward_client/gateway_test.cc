// What a step's scores are made of.
#include "common/reward_client/gateway.h"

#include <atomic>
#include <set>
#include <string>

#include "absl/time/clock.h"
#include "tests/common/reward_client/gateway_fixture.h"

namespace operant::testing {
namespace {

TEST_F(GatewayTest, ScoresAreAlignedWithItemsWhateverTheAnswersOrder) {
  ScriptedRewardServer server(
      [](int, const v1::ScoreRequest& request, v1::ScoreResponse& response) {
        response.clear_results();
        for (int i = request.items_size() - 1; i >= 0; --i) {
          v1::ScoreResult& result = *response.add_results();
          result.set_id(request.items(i).id());
          result.set_score(std::stod(request.items(i).response()));
        }
        return grpc::Status::OK;
      });
  Connect(server);
  const auto scores = Score(30);
  ASSERT_TRUE(scores.ok()) << scores.status();
  for (int i = 0; i < 30; ++i) {
    EXPECT_EQ((*scores)[i].score, i);
    EXPECT_EQ((*scores)[i].attempts, 1);
  }
  EXPECT_EQ((*scores)[0].server, "double scripted/1");
  EXPECT_EQ(server.requests().size(), 8);  // 30 items by 4
  EXPECT_EQ(Metric("operant_reward_requests_total{code=\"OK\",endpoint="
                   "\"double\"}"),
            8);
  EXPECT_EQ(Metric("operant_reward_items_total{endpoint=\"double\",outcome="
                   "\"ok\"}"),
            30);
  EXPECT_EQ(Metric("operant_reward_pending_items{endpoint=\"double\"}"), 0);
}

TEST_F(GatewayTest, RequestsCarryRunStepDigestAndUniqueIds) {
  ScriptedRewardServer server;
  Connect(server);
  ASSERT_TRUE(Score(12).ok());
  std::set<std::string> ids;
  for (const v1::ScoreRequest& request : server.requests()) {
    EXPECT_EQ(request.run_id(), "run");
    EXPECT_EQ(request.step(), 1);
    EXPECT_EQ(request.items(0).content_digest().size(), 16);
    EXPECT_TRUE(ids.insert(request.request_id()).second);
  }
}

TEST_F(GatewayTest, WholeGroupsTravelTogether) {
  ScriptedRewardServer server;
  server.info().add_needs(v1::GetInfoResponse::WHOLE_GROUP);
  v1::RewardSection config = Config();
  config.set_batch_items(6);
  Connect(server, config);
  ASSERT_TRUE(Score(12).ok());
  ASSERT_EQ(server.requests().size(), 3);
  for (const v1::ScoreRequest& request : server.requests()) {
    ASSERT_EQ(request.items_size(), 4);
    EXPECT_EQ(request.items(0).group_id(), request.items(3).group_id());
  }
}

TEST_F(GatewayTest, CallsInFlightKeepTheServersLimit) {
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  ScriptedRewardServer server(
      [&](int, const v1::ScoreRequest&, v1::ScoreResponse&) {
        const int now = ++running;
        int seen = most;
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        absl::SleepFor(absl::Milliseconds(20));
        --running;
        return grpc::Status::OK;
      });
  server.info().set_max_inflight_batches(2);
  Connect(server);
  ASSERT_TRUE(Score(32).ok());
  EXPECT_EQ(most, 2);
}

TEST_F(GatewayTest, DeterministicServersAreNotAskedTwice) {
  ScriptedRewardServer server;
  server.info().set_deterministic(true);
  v1::RewardSection config = Config();
  config.set_cache_items(100);
  Connect(server, config);
  ASSERT_TRUE(Score(8).ok());
  const auto again = Score(12);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*again)[0].score, 0.5);
  EXPECT_EQ((*again)[0].attempts, 0);
  EXPECT_EQ((*again)[11].attempts, 1);
  EXPECT_EQ(server.requests().size(), 3);
  EXPECT_EQ(Metric("operant_reward_cache_hits_total{endpoint=\"double\"}"), 8);
}

TEST_F(GatewayTest, OtherServersAreAskedEachTime) {
  ScriptedRewardServer server;
  v1::RewardSection config = Config();
  config.set_cache_items(100);
  Connect(server, config);
  ASSERT_TRUE(Score(4).ok());
  ASSERT_TRUE(Score(4).ok());
  EXPECT_EQ(server.requests().size(), 2);
}

TEST_F(GatewayTest, WeightedComponentsTakeTheScoresPlace) {
  ScriptedRewardServer server(
      [](int, const v1::ScoreRequest&, v1::ScoreResponse& response) {
        for (v1::ScoreResult& result : *response.mutable_results()) {
          (*result.mutable_components())["right"] = 1;
          (*result.mutable_components())["short"] = 0.25;
        }
        response.mutable_results(3)->mutable_components()->erase("short");
        return grpc::Status::OK;
      });
  server.info().add_component_names("right");
  server.info().add_component_names("short");
  v1::RewardSection config = With("drop");
  AddEndpoint("double", server.address(), config);
  AddWeight("right", 2, config);
  AddWeight("short", -4, config);
  Connect(config);
  ASSERT_TRUE(gateway_->Handshake().ok());
  const auto scores = Score(4);
  ASSERT_TRUE(scores.ok()) << scores.status();
  EXPECT_EQ((*scores)[0].score, 2 * 1 - 4 * 0.25);
  EXPECT_EQ((*scores)[3].outcome, Outcome::kDropped);  // lacks "short"
}

TEST_F(GatewayTest, EndpointsAddUpByWeight) {
  ScriptedRewardServer one;
  ScriptedRewardServer two;
  v1::RewardSection config = Config();
  AddEndpoint("one", one.address(), config);
  AddEndpoint("two", two.address(), config);
  config.mutable_endpoints(1)->set_weight(-3);
  Connect(config);
  ASSERT_TRUE(gateway_->Handshake().ok());
  const auto scores = Score(4);
  ASSERT_TRUE(scores.ok()) << scores.status();
  EXPECT_EQ((*scores)[0].score, 0.5 - 3 * 0.5);
  EXPECT_EQ((*scores)[0].components.at("two"), 0.5);
}

TEST_F(GatewayTest, ItemsWithOneIdAreRefused) {
  const ScriptedRewardServer server;
  Connect(server);
  std::vector<v1::ScoreItem> items = Items(2);
  items[1].set_id(items[0].id());
  EXPECT_EQ(gateway_->Score(items, 1, false).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(GatewayTest, NoItemsNeedNoCall) {
  const ScriptedRewardServer server;
  Connect(server);
  const auto scores = Score(0);
  ASSERT_TRUE(scores.ok()) << scores.status();
  EXPECT_TRUE(scores->empty());
  EXPECT_TRUE(server.requests().empty());
}

}  // namespace
}  // namespace operant::testing
