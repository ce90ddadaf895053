#include "reward/format_scorer.h"

#include "gtest/gtest.h"
#include "tests/testing/score_one.h"

namespace operant::reward {
namespace {

v1::FormatRule ThinkThenAnswer() {
  v1::FormatRule rule;
  rule.add_tags("think");
  rule.add_tags("answer");
  return rule;
}

TEST(FormatScorerTest, SectionsStandOnceClosedAndInOrder) {
  const auto scorer = FormatScorer::Create(ThinkThenAnswer());
  ASSERT_TRUE(scorer.ok());
  const struct {
    const char* response;
    double score;
  } rows[] = {
      {"<think>a</think><answer>b</answer>", 1},
      {"so <think>a</think>\n<answer>b</answer> done", 1},
      {"<answer>b</answer><think>a</think>", 0},
      {"<think>a<answer>b</answer></think>", 0},
      {"<think>a</think><answer>b", 0},
      {"<think>a</think>", 0},
      {"<think>a</think><answer>b</answer><answer>c</answer>", 0},
      {"", 0},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(ScoreOne(**scorer, TextItem(row.response)).score(), row.score)
        << row.response;
  }
}

TEST(FormatScorerTest, ScoresTheShareOfTheRulesThatHold) {
  v1::FormatRule rule;
  rule.set_min_words(2);
  rule.set_max_words(3);
  rule.set_begin("Dear");
  rule.set_end(".");
  rule.add_tags("b");
  const auto scorer = FormatScorer::Create(rule);
  ASSERT_TRUE(scorer.ok());
  const v1::ScoreResult result =
      ScoreOne(**scorer, TextItem(" Dear old friend of mine.\n"));
  EXPECT_EQ(result.components().at("words"), 0);
  EXPECT_EQ(result.components().at("begin"), 1);
  EXPECT_EQ(result.components().at("end"), 1);
  EXPECT_EQ(result.components().at("tags"), 0);
  EXPECT_EQ(result.score(), 0.5);
  EXPECT_EQ(ScoreOne(**scorer, TextItem("Dear <b>x</b>.")).score(), 1);
  EXPECT_EQ((*scorer)->Describe().component_names_size(), 4);
}

TEST(FormatScorerTest, RefusesRulesThatAskNothingOrTheImpossible) {
  v1::FormatRule upside_down;
  upside_down.set_min_words(3);
  upside_down.set_max_words(2);
  v1::FormatRule twice = ThinkThenAnswer();
  twice.add_tags("think");
  v1::FormatRule bracket;
  bracket.add_tags("<think>");
  for (const v1::FormatRule& rule :
       {v1::FormatRule(), upside_down, twice, bracket}) {
    EXPECT_EQ(FormatScorer::Create(rule).status().code(),
              absl::StatusCode::kInvalidArgument)
        << rule.ShortDebugString();
  }
}

}  // namespace
}  // namespace operant::reward
