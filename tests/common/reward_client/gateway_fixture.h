// A gateway to scripted reward servers, and what its tests hand it.
#ifndef OPERANT_TESTS_COMMON_REWARD_CLIENT_GATEWAY_FIXTURE_H_
#define OPERANT_TESTS_COMMON_REWARD_CLIENT_GATEWAY_FIXTURE_H_

#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/reward_client/gateway.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/scripted_reward_server.h"

namespace operant::testing {

using Outcome = ItemScore::Outcome;
using Script = ScriptedRewardServer::Script;
using ::testing::HasSubstr;

inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Four samples of each prompt: p0 p0 p0 p0 p1 ...
inline std::vector<v1::ScoreItem> Items(int count) {
  std::vector<v1::ScoreItem> items(count);
  for (int i = 0; i < count; ++i) {
    items[i].set_id(absl::StrCat("item", i));
    items[i].set_group_id(absl::StrCat("p", i / 4));
    items[i].set_response(absl::StrCat(i));
    items[i].set_finish(v1::FINISH_REASON_STOP);
  }
  return items;
}

inline v1::RewardSection Config() {
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

inline void AddEndpoint(const std::string& name, const std::string& address,
                        v1::RewardSection& config) {
  v1::RewardEndpoint& endpoint = *config.add_endpoints();
  endpoint.set_name(name);
  endpoint.set_address(address);
  endpoint.set_weight(1);
  endpoint.set_deadline_ms(5000);
}

// For the first endpoint.
inline void AddWeight(const std::string& component, double weight,
                      v1::RewardSection& config) {
  v1::ComponentWeight& part =
      *config.mutable_endpoints(0)->add_component_weights();
  part.set_component(component);
  part.set_weight(weight);
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

inline v1::RewardSection With(const std::string& on_error) {
  v1::RewardSection config = Config();
  config.set_on_error(on_error);
  return config;
}

// Spoils one result of the first call with `spoil`.
inline Script SpoilFirst(void (*spoil)(v1::ScoreResult&)) {
  return [spoil](int call, const v1::ScoreRequest&, v1::ScoreResponse& r) {
    if (call == 0) spoil(*r.mutable_results(0));
    return grpc::Status::OK;
  };
}

}  // namespace operant::testing

#endif  // OPERANT_TESTS_COMMON_REWARD_CLIENT_GATEWAY_FIXTURE_H_
