// 5,000 bad answers of over 200 shapes: none reaches an update, none is
// replaced in silence, each is counted under its cause.
#include "tests/common/reward_client/bad_answers.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/metric_families.h"
#include "common/base/status_macros.h"
#include "common/reward_client/gateway.h"
#include "gtest/gtest.h"
#include "tests/testing/scripted_reward_server.h"

namespace operant {
namespace {

using testing::BadAnswer;
using testing::ScriptedRewardServer;
using Outcome = ItemScore::Outcome;

constexpr int kItems = 8;
constexpr int kBadAnswers = 5'000;

std::vector<v1::ScoreItem> Items() {
  std::vector<v1::ScoreItem> items(kItems);
  for (int i = 0; i < kItems; ++i) {
    items[i].set_id(absl::StrCat("item", i));
    for (int token = 0; token < 4; ++token) {
      items[i].add_response_token_ids(token);
    }
  }
  return items;
}

class BadAnswersTest : public ::testing::Test {
 protected:
  BadAnswersTest()
      : shapes_(testing::BadAnswers()),
        server_([this](int, const v1::ScoreRequest&, v1::ScoreResponse& r) {
          return shapes_[shape_].spoil(r);
        }) {
    v1::GetInfoResponse& info = server_.info();
    info.set_has_score_range(true);
    info.set_score_max(1);
    info.add_component_names("part");
    info.set_token_rewards(true);
    // Full batches only: the shapes are made for eight items.
    info.set_max_inflight_batches(1);
  }

  // A gateway that asks once.
  void Connect(const std::string& on_error) {
    v1::RewardSection config;
    config.set_batch_items(kItems);
    config.set_on_error(on_error);
    config.set_drop_limit(1);
    config.set_max_abs_score(1e6);
    config.set_unavailable_wait_ms(1);
    v1::RewardEndpoint& endpoint = *config.add_endpoints();
    endpoint.set_name("double");
    endpoint.set_address(server_.address());
    endpoint.set_weight(1);
    endpoint.set_deadline_ms(5000);
    gateway_ = *RewardGateway::Create({config, "run", ""}, metrics_.get());
    ASSERT_TRUE(gateway_->Handshake().ok());
  }

  // `streamed`: item by item, as training does it.
  absl::StatusOr<std::vector<ItemScore>> Score(uint64_t step, bool streamed) {
    std::vector<v1::ScoreItem> items = Items();
    if (!streamed) return gateway_->Score(std::move(items), step, false);
    ASSIGN_OR_RETURN(
        const std::unique_ptr<Scoring> scoring,
        gateway_->Begin(
            {.items = kItems, .group_items = 0, .step = step, .eval = false}));
    for (int i = 0; i < kItems; ++i) {
      RETURN_IF_ERROR(scoring->Add(i, std::move(items[i])));
    }
    return scoring->Finish();
  }

  double Counted(AnswerOutcome cause) {
    return metrics_
        ->Get(metric::kRewardItemsTotal, {"double", OutcomeLabel(cause)})
        .value();
  }

  const std::vector<BadAnswer> shapes_;
  std::atomic<size_t> shape_ = 0;
  ScriptedRewardServer server_;
  const std::unique_ptr<MetricRegistry> metrics_ = MetricRegistry::Create();
  std::unique_ptr<RewardGateway> gateway_;
};

TEST_F(BadAnswersTest, DropLeavesOutWhatIsBadAndCountsItsCause) {
  ASSERT_GE(shapes_.size(), 200u);
  RecordProperty("shapes", static_cast<int>(shapes_.size()));
  Connect("drop");
  for (int i = 0; i < kBadAnswers; ++i) {
    shape_ = i % shapes_.size();
    const BadAnswer& shape = shapes_[shape_];
    const double before = Counted(shape.cause);
    const auto scores = Score(i, i / shapes_.size() % 2 == 1);
    ASSERT_TRUE(scores.ok()) << shape.name << ": " << scores.status();
    for (int item = 0; item < kItems; ++item) {
      const bool bad = shape.item < 0 || shape.item == item;
      const ItemScore& score = (*scores)[item];
      ASSERT_EQ(score.outcome, bad ? Outcome::kDropped : Outcome::kScored)
          << shape.name << ", item " << item;
      ASSERT_EQ(score.score, bad ? 0 : 0.5) << shape.name;
      ASSERT_EQ(score.error.ok(), !bad) << shape.name;
    }
    ASSERT_EQ(Counted(shape.cause) - before, shape.item < 0 ? kItems : 1)
        << shape.name << ", expected " << OutcomeLabel(shape.cause) << ": "
        << (*scores)[std::max(shape.item, 0)].error;
  }
}

TEST_F(BadAnswersTest, FailStopsAtEachShape) {
  Connect("fail");
  for (shape_ = 0; shape_ < shapes_.size(); ++shape_) {
    for (bool streamed : {false, true}) {
      EXPECT_FALSE(Score(0, streamed).ok()) << shapes_[shape_].name;
    }
  }
}

TEST_F(BadAnswersTest, ValueReplacesAndSaysSo) {
  Connect("value:-1");
  for (shape_ = 0; shape_ < shapes_.size(); ++shape_) {
    const auto scores = Score(0, shape_ % 2 == 1);
    ASSERT_TRUE(scores.ok()) << scores.status();
    const int bad = shapes_[shape_].item < 0 ? 0 : shapes_[shape_].item;
    EXPECT_EQ((*scores)[bad].outcome, Outcome::kReplaced)
        << shapes_[shape_].name;
    EXPECT_EQ((*scores)[bad].score, -1);
    EXPECT_FALSE((*scores)[bad].error.ok());
  }
}

}  // namespace
}  // namespace operant
