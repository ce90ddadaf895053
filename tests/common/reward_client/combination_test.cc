#include "common/reward_client/combination.h"

#include "common/base/exit_code.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

using Outcome = ItemScore::Outcome;

WeightedAnswer Said(const std::string& endpoint, double weight, double score) {
  WeightedAnswer said{endpoint, endpoint + " server/1", weight, {}};
  said.answer.outcome = AnswerOutcome::kOk;
  said.answer.score = score;
  said.answer.attempts = 1;
  said.answer.components["style"] = score;
  said.answer.token_rewards.emplace_back().set_value(1);
  return said;
}

WeightedAnswer Failed() {
  WeightedAnswer said{"bad", "bad server/1", 1, {}};
  said.answer = ErrorAnswer(AnswerOutcome::kNonFinite,
                            absl::DataLossError("score is nan"), false);
  return said;
}

TEST(CombineTest, OneEndpointKeepsItsComponentNames) {
  const ItemScore score = Combine({Said("a", 2, 0.5)}, {});
  EXPECT_EQ(score.outcome, Outcome::kScored);
  EXPECT_EQ(score.score, 1);
  EXPECT_EQ(score.components, (std::map<std::string, double>{{"style", 0.5}}));
  EXPECT_EQ(score.token_rewards[0].value(), 2);
  EXPECT_EQ(score.server, "a server/1");
}

TEST(CombineTest, SeveralEndpointsMakeAWeightedSum) {
  const ItemScore score = Combine({Said("a", 2, 0.5), Said("b", -1, 3)}, {});
  EXPECT_EQ(score.score, -2);
  EXPECT_EQ(score.components,
            (std::map<std::string, double>{
                {"a", 0.5}, {"a/style", 0.5}, {"b", 3}, {"b/style", 3}}));
  EXPECT_EQ(score.token_rewards.size(), 2);
}

TEST(CombineTest, OneIgnoreIgnoresTheItem) {
  WeightedAnswer ignored = Said("b", 1, 0);
  ignored.answer.outcome = AnswerOutcome::kIgnored;
  const ItemScore score = Combine({Said("a", 1, 0.5), ignored}, {});
  EXPECT_EQ(score.outcome, Outcome::kIgnored);
  EXPECT_EQ(score.score, 0);
}

TEST(CombineTest, OneErrorLeavesNothingOfTheOthersScores) {
  const ItemScore dropped =
      Combine({Said("a", 1, 0.5), Failed()}, {ErrorPolicy::Action::kDrop});
  EXPECT_EQ(dropped.outcome, Outcome::kDropped);
  EXPECT_EQ(dropped.score, 0);
  EXPECT_TRUE(dropped.components.empty());
  EXPECT_TRUE(dropped.token_rewards.empty());
  EXPECT_EQ(dropped.error.code(), absl::StatusCode::kDataLoss);

  const ItemScore replaced = Combine({Said("a", 1, 0.5), Failed()},
                                     {ErrorPolicy::Action::kReplace, -7});
  EXPECT_EQ(replaced.outcome, Outcome::kReplaced);
  EXPECT_EQ(replaced.score, -7);
}

TEST(DropLimitTest, AllowsTheShareAndNoMore) {
  std::vector<ItemScore> scores(10);
  for (ItemScore& score : scores) score.outcome = Outcome::kScored;
  scores[3] = Combine({Failed()}, {ErrorPolicy::Action::kDrop});
  EXPECT_TRUE(CheckDropLimit(scores, 0.1).ok());
  const absl::Status status = CheckDropLimit(scores, 0.05);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ExitCodeFor(status), ExitCode::kData);
  EXPECT_NE(status.message().find("dropped=1 of 10"), std::string::npos);
}

TEST(ErrorPolicyTest, ReadsTheThreeForms) {
  EXPECT_EQ(ParseErrorPolicy("fail")->action, ErrorPolicy::Action::kFail);
  EXPECT_EQ(ParseErrorPolicy("drop")->action, ErrorPolicy::Action::kDrop);
  EXPECT_EQ(ParseErrorPolicy("value:-0.5")->action,
            ErrorPolicy::Action::kReplace);
  EXPECT_EQ(ParseErrorPolicy("value:-0.5")->value, -0.5);
  for (const char* text : {"", "zero", "value", "value:", "value:nan",
                           "value:inf", "value:1x", "Drop"}) {
    EXPECT_EQ(ParseErrorPolicy(text).status().code(),
              absl::StatusCode::kInvalidArgument)
        << text;
  }
}

}  // namespace
}  // namespace operant
