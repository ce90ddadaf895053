#include "reward/exact_scorer.h"

#include "gtest/gtest.h"
#include "tests/testing/score_one.h"

namespace operant::reward {
namespace {

TEST(ExactScorerTest, ComparesButForOuterBlanks) {
  const auto scorer = ExactScorer::Create({});
  ASSERT_TRUE(scorer.ok());
  EXPECT_EQ(ScoreOne(**scorer, TextItem(" Paris\n", "Paris")).score(), 1);
  EXPECT_EQ(ScoreOne(**scorer, TextItem("paris", "Paris")).score(), 0);
  EXPECT_EQ(ScoreOne(**scorer, TextItem("Paris, France", "Paris")).score(), 0);
  const v1::ScoreResult silent = ScoreOne(**scorer, TextItem(" ", "Paris"));
  EXPECT_EQ(silent.score(), 0);
  EXPECT_EQ(silent.components().at("answered"), 0);
}

TEST(ExactScorerTest, TakesThePatternsLastMatchAndIgnoresCaseIfTold) {
  v1::AnswerRule rule;
  rule.set_pattern("is (\\w+)");
  rule.set_ignore_case(true);
  const auto scorer = ExactScorer::Create(rule);
  ASSERT_TRUE(scorer.ok());
  EXPECT_EQ(
      ScoreOne(**scorer, TextItem("it is rome, no, is PARIS", "Paris")).score(),
      1);
  EXPECT_EQ(
      ScoreOne(**scorer, TextItem("it is Paris, no, is Rome", "Paris")).score(),
      0);
  EXPECT_EQ(ScoreOne(**scorer, TextItem("Paris", "Paris")).score(), 0);
}

TEST(ExactScorerTest, ARowWithoutGroundTruthIsAnErrorNamingIt) {
  const auto scorer = ExactScorer::Create({});
  ASSERT_TRUE(scorer.ok());
  const v1::ScoreResult result = ScoreOne(**scorer, TextItem("", ""));
  ASSERT_TRUE(result.has_error());
  EXPECT_NE(result.error().message().find("row='prompt-17' ground_truth=''"),
            std::string::npos);
}

TEST(ExactScorerTest, ARunawayPatternIsAnErrorNotAZero) {
  v1::AnswerRule rule;
  rule.set_pattern("^(a+)+$");
  const auto scorer = ExactScorer::Create(rule);
  ASSERT_TRUE(scorer.ok());
  const v1::ScoreResult result =
      ScoreOne(**scorer, TextItem(std::string(40, 'a') + "!", "a"));
  ASSERT_TRUE(result.has_error());
  EXPECT_EQ(result.error().code(),
            static_cast<uint32_t>(absl::StatusCode::kResourceExhausted));
  EXPECT_NE(result.error().message().find("reward.answer.pattern"),
            std::string::npos);
}

}  // namespace
}  // namespace operant::reward
