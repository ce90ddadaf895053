#include "common/reward_client/gateway.h"

#include <atomic>
#include <limits>
#include <set>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/exit_code.h"
#include "common/reward_client/routing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/scripted_reward_server.h"

namespace operant {
namespace {

using ::testing::HasSubstr;
using Outcome = ItemScore::Outcome;
using testing::ScriptedRewardServer;
using Script = ScriptedRewardServer::Script;

// Four samples of each prompt: p0 p0 p0 p0 p1 ...
std::vector<v1::ScoreItem> Items(int count) {
  std::vector<v1::ScoreItem> items(count);
  for (int i = 0; i < count; ++i) {
    items[i].set_id(absl::StrCat("item", i));
    items[i].set_group_id(absl::StrCat("p", i / 4));
    items[i].set_response(absl::StrCat(i));
    items[i].set_finish(v1::FINISH_REASON_STOP);
  }
  return items;
}

v1::RewardSection Config() {
  v1::RewardSection config;
  config.set_batch_items(4);
  config.set_max_retries(2);
  config.set_on_error("fail");
  config.set_drop_limit(0.25);
  config.set_max_abs_score(1e6);
  config.set_unavailable_wait_ms(300);
  config.set_breaker_failures(3);
  return config;
}

void AddEndpoint(const std::string& name, const std::string& address,
                 v1::RewardSection& config) {
  v1::RewardEndpoint& endpoint = *config.add_endpoints();
  endpoint.set_name(name);
  endpoint.set_address(address);
  endpoint.set_weight(1);
  endpoint.set_deadline_ms(5000);
}

// A gateway to one scripted server, greeted.
class GatewayTest : public ::testing::Test {
 protected:
  void Connect(const ScriptedRewardServer& server,
               v1::RewardSection config = Config()) {
    AddEndpoint("double", server.address(), config);
    Connect(config);
    ASSERT_TRUE(gateway_->Handshake().ok());
  }
  void Connect(const v1::RewardSection& config) {
    auto gateway = RewardGateway::Create({config, "run", ""}, metrics_.get());
    ASSERT_TRUE(gateway.ok()) << gateway.status();
    gateway_ = *std::move(gateway);
  }

  absl::StatusOr<std::vector<ItemScore>> Score(int items) {
    return gateway_->Score(Items(items), 1, false);
  }

  // The value on the line of the exposition that begins with `series`.
  double Metric(const std::string& series) {
    const std::string text = metrics_->Serialize();
    const size_t at = text.find(absl::StrCat("\n", series, " "));
    if (at == std::string::npos) return 0;
    return std::stod(text.substr(at + series.size() + 2));
  }

  const std::unique_ptr<MetricRegistry> metrics_ = MetricRegistry::Create();
  std::unique_ptr<RewardGateway> gateway_;
};

v1::RewardSection With(const std::string& on_error) {
  v1::RewardSection config = Config();
  config.set_on_error(on_error);
  return config;
}

// Spoils one result of the first call with `spoil`.
Script SpoilFirst(void (*spoil)(v1::ScoreResult&)) {
  return [spoil](int call, const v1::ScoreRequest&, v1::ScoreResponse& r) {
    if (call == 0) spoil(*r.mutable_results(0));
    return grpc::Status::OK;
  };
}

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

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

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

void AddWeight(const std::string& component, double weight,
               v1::RewardSection& config) {
  v1::ComponentWeight& part =
      *config.mutable_endpoints(0)->add_component_weights();
  part.set_component(component);
  part.set_weight(weight);
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
}  // namespace operant
