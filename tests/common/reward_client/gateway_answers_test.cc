// Answers that are no scores: never one of them is trained on.
#include <string>

#include "common/base/exit_code.h"
#include "tests/common/reward_client/gateway_fixture.h"

namespace operant::testing {
namespace {

struct Nonsense {
  const char* cause;
  void (*spoil)(v1::ScoreResponse&);
};

class NonsenseTest : public GatewayTest,
                     public ::testing::WithParamInterface<Nonsense> {};

TEST_P(NonsenseTest, StopsTheRunByDefaultNamingThePlace) {
  ScriptedRewardServer server(
      [](int, const v1::ScoreRequest&, v1::ScoreResponse& response) {
        GetParam().spoil(response);
        return grpc::Status::OK;
      });
  server.info().set_has_score_range(true);
  server.info().set_score_max(1);
  Connect(server);
  const absl::Status status = Score(4).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ExitCodeFor(status), ExitCode::kData);
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().cause));
  EXPECT_THAT(std::string(status.message()), HasSubstr("'double'"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(server.address()));
  EXPECT_EQ(server.requests().size(), 1);  // nonsense is not asked for again
}

INSTANTIATE_TEST_SUITE_P(
    Answers, NonsenseTest,
    ::testing::Values(
        Nonsense{
            "lacks an item",
            [](v1::ScoreResponse& r) { r.mutable_results()->RemoveLast(); }},
        Nonsense{"foreign item",
                 [](v1::ScoreResponse& r) { r.add_results()->set_id("x"); }},
        Nonsense{"an item twice",
                 [](v1::ScoreResponse& r) { *r.add_results() = r.results(0); }},
        Nonsense{"another request",
                 [](v1::ScoreResponse& r) { r.set_request_id("?"); }},
        Nonsense{"not finite",
                 [](v1::ScoreResponse& r) {
                   r.mutable_results(0)->set_score(kNan);
                 }},
        Nonsense{"not finite",
                 [](v1::ScoreResponse& r) {
                   r.mutable_results(0)->set_score(-kInfinity);
                 }},
        Nonsense{
            "outside the declared range",
            [](v1::ScoreResponse& r) { r.mutable_results(0)->set_score(1.5); }},
        Nonsense{"ambiguous", [](v1::ScoreResponse& r) {
                   r.mutable_results(0)->clear_outcome();
                 }}));

TEST_F(GatewayTest, DropLeavesOutTheItemAndCountsIt) {
  ScriptedRewardServer server(
      SpoilFirst([](v1::ScoreResult& result) { result.set_score(kNan); }));
  Connect(server, With("drop"));
  const auto scores = Score(4);
  ASSERT_TRUE(scores.ok()) << scores.status();
  EXPECT_EQ((*scores)[0].outcome, Outcome::kDropped);
  EXPECT_EQ((*scores)[0].error.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ((*scores)[1].outcome, Outcome::kScored);
  EXPECT_EQ(Metric("operant_reward_dropped_items_total"), 1);
  EXPECT_EQ(Metric("operant_reward_items_total{endpoint=\"double\",outcome="
                   "\"non_finite\"}"),
            1);
}

TEST_F(GatewayTest, DropsPastTheLimitStopTheRun) {
  ScriptedRewardServer server(
      [](int, const v1::ScoreRequest&, v1::ScoreResponse& response) {
        response.mutable_results(0)->set_score(kNan);
        response.mutable_results(1)->set_score(kNan);
        return grpc::Status::OK;
      });
  Connect(server, With("drop"));
  const absl::Status status = Score(4).status();  // 2 of 4, limit a quarter
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("dropped=2 of 4"));
}

TEST_F(GatewayTest, ValueReplacesAndIsCounted) {
  ScriptedRewardServer server(
      SpoilFirst([](v1::ScoreResult& result) { result.set_score(kNan); }));
  Connect(server, With("value:-1"));
  const auto scores = Score(4);
  ASSERT_TRUE(scores.ok()) << scores.status();
  EXPECT_EQ((*scores)[0].outcome, Outcome::kReplaced);
  EXPECT_EQ((*scores)[0].score, -1);
  EXPECT_FALSE((*scores)[0].error.ok());
  EXPECT_EQ(Metric("operant_reward_replaced_items_total"), 1);
}

TEST_F(GatewayTest, IgnoredItemIsNeitherScoredNorAnError) {
  ScriptedRewardServer server(SpoilFirst([](v1::ScoreResult& result) {
    result.clear_outcome();
    result.set_ignore(true);
  }));
  Connect(server);
  const auto scores = Score(4);
  ASSERT_TRUE(scores.ok()) << scores.status();
  EXPECT_EQ((*scores)[0].outcome, Outcome::kIgnored);
}

}  // namespace
}  // namespace operant::testing
