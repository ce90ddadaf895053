// Items that come one by one: asked for early, and in time for the last.
#include "common/reward_client/scoring.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/reward_client/endpoint_run.h"
#include "tests/common/reward_client/gateway_fixture.h"

namespace operant::testing {
namespace {

// No test waits this long unless it fails.
constexpr absl::Duration kPatience = absl::Seconds(20);

class ScoringTest : public GatewayTest {
 protected:
  // `count` items of groups of four.
  void Begin(int count) {
    items_ = Items(count);
    auto scoring = gateway_->Begin(
        {.items = items_.size(), .group_items = 4, .step = 1, .eval = false});
    ASSERT_TRUE(scoring.ok()) << scoring.status();
    scoring_ = *std::move(scoring);
  }
  absl::Status Add(int index) { return scoring_->Add(index, items_[index]); }
  void AddAll(const std::vector<int>& indices) {
    for (int i : indices) ASSERT_TRUE(Add(i).ok());
  }

  std::vector<v1::ScoreItem> items_;
  std::unique_ptr<Scoring> scoring_;
};

bool AwaitRequests(const ScriptedRewardServer& server, size_t count) {
  const absl::Time end = absl::Now() + kPatience;
  while (server.requests().size() < count && absl::Now() < end) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  return server.requests().size() >= count;
}

// Long enough for a call to go that should not.
void Linger() { absl::SleepFor(3 * EndpointRun::kLinger); }

TEST_F(ScoringTest, AnItemIsAskedForWhileOthersStillCome) {
  ScriptedRewardServer server;
  Connect(server);
  Begin(2);
  AddAll({0});
  EXPECT_TRUE(AwaitRequests(server, 1));
  AddAll({1});
  const auto scores = scoring_->Finish();
  ASSERT_TRUE(scores.ok()) << scores.status();
  EXPECT_EQ((*scores)[1].score, 0.5);
  EXPECT_EQ(server.requests().size(), 2);
}

TEST_F(ScoringTest, ScoresAreFiledByPlaceWhateverCameFirst) {
  ScriptedRewardServer server(
      [](int, const v1::ScoreRequest& request, v1::ScoreResponse& response) {
        for (int i = 0; i < request.items_size(); ++i) {
          response.mutable_results(i)->set_score(
              std::stod(request.items(i).response()));
        }
        return grpc::Status::OK;
      });
  Connect(server);
  Begin(9);
  AddAll({8, 3, 4, 0, 7, 1, 6, 2, 5});
  const auto scores = scoring_->Finish();
  ASSERT_TRUE(scores.ok()) << scores.status();
  for (int i = 0; i < 9; ++i) EXPECT_EQ((*scores)[i].score, i);
}

TEST_F(ScoringTest, ACallIsKeptFreeForTheLastItem) {
  absl::Notification second;
  bool in_time = false;
  ScriptedRewardServer server(
      [&](int call, const v1::ScoreRequest&, v1::ScoreResponse&) {
        if (call == 0)
          in_time = second.WaitForNotificationWithTimeout(kPatience);
        if (call == 1) second.Notify();
        return grpc::Status::OK;
      });
  server.info().set_max_inflight_batches(2);
  v1::RewardSection config = Config();
  AddEndpoint("double", server.address(), config);
  config.mutable_endpoints(0)->set_deadline_ms(60'000);
  Connect(config);
  ASSERT_TRUE(gateway_->Handshake().ok());
  Begin(3);
  AddAll({0});
  ASSERT_TRUE(AwaitRequests(server, 1));
  AddAll({1});
  Linger();
  EXPECT_EQ(server.requests().size(), 1);  // the first call is still out
  AddAll({2});
  EXPECT_TRUE(scoring_->Finish().ok());
  EXPECT_TRUE(in_time);  // the last did not wait for the first
  EXPECT_EQ(server.requests()[1].items_size(), 2);
}

TEST_F(ScoringTest, AServerOfOneCallAtATimeGetsFullBatches) {
  ScriptedRewardServer server;
  server.info().set_max_inflight_batches(1);
  Connect(server);  // batches of 4
  Begin(6);
  AddAll({0, 1, 2});
  Linger();
  EXPECT_TRUE(server.requests().empty());
  AddAll({3});
  EXPECT_TRUE(AwaitRequests(server, 1));
  AddAll({4, 5});
  EXPECT_TRUE(scoring_->Finish().ok());
  ASSERT_EQ(server.requests().size(), 2);
  EXPECT_EQ(server.requests()[0].items_size(), 4);
}

TEST_F(ScoringTest, AGroupIsAskedForOnceItIsWhole) {
  ScriptedRewardServer server;
  server.info().add_needs(v1::GetInfoResponse::WHOLE_GROUP);
  Connect(server);
  Begin(8);
  AddAll({0, 4, 1, 5, 6, 2});
  Linger();
  EXPECT_TRUE(server.requests().empty());
  AddAll({3});
  ASSERT_TRUE(AwaitRequests(server, 1));
  const v1::ScoreRequest first = server.requests()[0];
  ASSERT_EQ(first.items_size(), 4);
  for (const v1::ScoreItem& item : first.items()) {
    EXPECT_EQ(item.group_id(), "p0");
  }
  AddAll({7});
  EXPECT_TRUE(scoring_->Finish().ok());
  EXPECT_EQ(server.requests().size(), 2);
}

TEST_F(ScoringTest, AnErrorIsToldWhileItemsStillCome) {
  ScriptedRewardServer server(
      SpoilFirst([](v1::ScoreResult& result) { result.set_score(kNan); }));
  Connect(server);
  Begin(10'000);
  absl::Status status;
  const absl::Time end = absl::Now() + kPatience;
  for (int i = 0; status.ok() && i < 9'999 && absl::Now() < end; ++i) {
    status = Add(i);
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("not finite"));
}

TEST_F(ScoringTest, AnUnfinishedScoringLeavesNothingPending) {
  ScriptedRewardServer server;
  server.info().set_max_inflight_batches(1);
  Connect(server);
  Begin(3);
  AddAll({0, 1});
  EXPECT_EQ(Metric("operant_reward_pending_items{endpoint=\"double\"}"), 2);
  scoring_.reset();
  EXPECT_EQ(Metric("operant_reward_pending_items{endpoint=\"double\"}"), 0);
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(ScoringTest, AnItemWithoutAPlaceIsRefused) {
  ScriptedRewardServer server;
  Connect(server);
  Begin(2);
  AddAll({0});
  EXPECT_EQ(Add(0).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(scoring_->Add(2, Items(3)[2]).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(ScoringTest, AMissingItemIsNamedAtTheEnd) {
  ScriptedRewardServer server;
  Connect(server);
  Begin(2);
  AddAll({0});
  const absl::Status status = scoring_->Finish().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("items=1"));
}

}  // namespace
}  // namespace operant::testing
