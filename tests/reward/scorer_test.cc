#include "reward/scorer.h"

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "gtest/gtest.h"

namespace operant::reward {
namespace {

v1::RewardSection Config(const std::string& scorer) {
  v1::RewardSection config;
  config.set_scorer(scorer);
  return config;
}

v1::ScoreItem Item(const std::string& response, v1::FinishReason finish) {
  v1::ScoreItem item;
  item.set_id(response);
  item.set_response(response);
  item.set_finish(finish);
  return item;
}

v1::ScoreResult ScoreOne(const Scorer& scorer, const v1::ScoreItem& item) {
  Scorer::Items items;
  *items.Add() = item;
  Scorer::Results results;
  scorer.Score(
      items, [] { return false; }, results);
  EXPECT_EQ(results.size(), 1);
  return results.empty() ? v1::ScoreResult() : results[0];
}

std::unique_ptr<Scorer> Wellformed() {
  const std::string path =
      JoinPath(testing::TempDir(), "scorer_test_lexicon.txt");
  EXPECT_TRUE(WriteFileAtomically(path, "a\nlarge\ndog\n").ok());
  v1::RewardSection config = Config("wellformed");
  config.set_lexicon(path);
  auto scorer = MakeScorer(config);
  EXPECT_TRUE(scorer.ok()) << scorer.status();
  std::remove(path.c_str());
  return *std::move(scorer);
}

TEST(MakeScorerTest, RefusesUnknownNamesAndMissingSettings) {
  for (const char* name :
       {"", "best", "wellformed", "regex", "format", "ratings"}) {
    EXPECT_EQ(MakeScorer(Config(name)).status().code(),
              absl::StatusCode::kInvalidArgument)
        << name;
  }
}

TEST(WellformedScorerTest, ScoresOneOrZeroWithComponents) {
  const auto scorer = Wellformed();
  v1::ScoreResult good =
      ScoreOne(*scorer, Item(" a large dog", v1::FINISH_REASON_STOP));
  EXPECT_EQ(good.score(), 1);
  EXPECT_EQ(good.components().at("garbage"), 0);
  v1::ScoreResult bad =
      ScoreOne(*scorer, Item("a lrge dog", v1::FINISH_REASON_STOP));
  EXPECT_TRUE(bad.has_score());
  EXPECT_EQ(bad.score(), 0);
  EXPECT_EQ(bad.components().at("garbage"), 1);
  EXPECT_EQ(bad.components().at("loop"), 0);
  EXPECT_EQ(bad.notes().at("garbage"), "word outside the lexicon");
}

TEST(WellformedScorerTest, UnfinishedItemIsAnErrorNotAZero) {
  const auto scorer = Wellformed();
  for (v1::FinishReason finish :
       {v1::FINISH_REASON_UNSPECIFIED, v1::FINISH_REASON_ABORTED}) {
    const v1::ScoreResult result =
        ScoreOne(*scorer, Item("a large dog", finish));
    ASSERT_TRUE(result.has_error());
    EXPECT_EQ(result.error().code(),
              static_cast<uint32_t>(absl::StatusCode::kInvalidArgument));
    EXPECT_FALSE(result.error().retryable());
  }
}

TEST(LengthScorerTest, CostsAThousandthPerToken) {
  const auto scorer = MakeScorer(Config("length"));
  ASSERT_TRUE(scorer.ok());
  v1::ScoreItem item = Item("x", v1::FINISH_REASON_STOP);
  item.add_response_token_ids(5);
  item.add_response_token_ids(6);
  EXPECT_DOUBLE_EQ(ScoreOne(**scorer, item).score(), -0.002);
  item.clear_response_token_ids();
  EXPECT_TRUE(ScoreOne(**scorer, item).has_error());
}

std::unique_ptr<Scorer> Regex(const std::string& pattern) {
  v1::RewardSection config = Config("regex");
  config.set_pattern(pattern);
  auto scorer = MakeScorer(config);
  EXPECT_TRUE(scorer.ok()) << scorer.status();
  return *std::move(scorer);
}

TEST(RegexScorerTest, ScoresWhetherThePatternIsFound) {
  const auto scorer = Regex("answer: \\d+$");
  EXPECT_EQ(
      ScoreOne(*scorer, Item("the answer: 42", v1::FINISH_REASON_STOP)).score(),
      1);
  EXPECT_EQ(
      ScoreOne(*scorer, Item("the answer: no", v1::FINISH_REASON_STOP)).score(),
      0);
}

TEST(RegexScorerTest, BrokenPatternIsRefusedWithItsPlace) {
  v1::RewardSection config = Config("regex");
  config.set_pattern("a(b");
  const absl::Status status = MakeScorer(config).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("at byte 3"), std::string::npos) << status;
}

TEST(RegexScorerTest, RunawaySearchIsAnErrorNotAZero) {
  const auto scorer = Regex("^(a+)+$");
  const v1::ScoreResult result = ScoreOne(
      *scorer, Item(std::string(40, 'a') + "!", v1::FINISH_REASON_STOP));
  ASSERT_TRUE(result.has_error());
  EXPECT_EQ(result.error().code(),
            static_cast<uint32_t>(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(result.error().message().rfind("row='", 0), 0u)
      << result.error().message();
}

TEST(ItemScorerTest, StopsBetweenItemsOnceCancelled) {
  const auto scorer = MakeScorer(Config("length"));
  ASSERT_TRUE(scorer.ok());
  Scorer::Items items;
  for (int i = 0; i < 5; ++i) items.Add()->set_id(absl::StrCat(i));
  Scorer::Results results;
  int asked = 0;
  (*scorer)->Score(
      items, [&asked] { return ++asked > 2; }, results);
  EXPECT_EQ(results.size(), 2);
}

}  // namespace
}  // namespace operant::reward
