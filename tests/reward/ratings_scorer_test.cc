#include "reward/ratings_scorer.h"

#include <string>

#include "common/base/file_io.h"
#include "gtest/gtest.h"
#include "tests/testing/score_one.h"

namespace operant::reward {
namespace {

std::string FileOf(const std::string& contents) {
  const std::string path =
      JoinPath(testing::TempDir(), "ratings_scorer_test.jsonl");
  EXPECT_TRUE(WriteFileAtomically(path, contents).ok());
  return path;
}

v1::ScoreItem Said(const std::string& prompt, const std::string& response) {
  v1::ScoreItem item = TextItem(response);
  item.set_prompt(prompt);
  return item;
}

TEST(RatingsScorerTest, LooksUpThePair) {
  const auto scorer = RatingsScorer::Create(
      FileOf("{\"prompt\": \"ab\", \"response\": \"c\", \"rating\": 4.5}\n\n"
             "{\"prompt\": \"a\", \"response\": \"bc\", \"rating\": -1, "
             "\"by\": 3}\n"));
  ASSERT_TRUE(scorer.ok()) << scorer.status();
  EXPECT_EQ(ScoreOne(**scorer, Said("ab", " c\n")).score(), 4.5);
  EXPECT_EQ(ScoreOne(**scorer, Said("a", "bc")).score(), -1);
  EXPECT_EQ((*scorer)->Describe().score_min(), -1);
  EXPECT_EQ((*scorer)->Describe().score_max(), 4.5);
}

TEST(RatingsScorerTest, AnUnratedResponseIsAnErrorNotAScore) {
  const auto scorer = RatingsScorer::Create(
      FileOf("{\"prompt\": \"a\", \"response\": \"b\", \"rating\": 1}\n"));
  ASSERT_TRUE(scorer.ok());
  const v1::ScoreResult result = ScoreOne(**scorer, Said("a", "c"));
  ASSERT_TRUE(result.has_error());
  EXPECT_EQ(result.error().code(),
            static_cast<uint32_t>(absl::StatusCode::kNotFound));
  EXPECT_NE(result.error().message().find("row='prompt-17'"),
            std::string::npos);
}

TEST(RatingsScorerTest, BadRowsAreRefusedWithLineAndField) {
  const std::string good =
      "{\"prompt\": \"a\", \"response\": \"b\", \"rating\": 1}\n";
  const struct {
    std::string rows;
    const char* told;
  } cases[] = {
      {good + good, ":2: prompt, response: rated already in line 1"},
      {good + "{\"prompt\": \"a \", \"response\": \" b\", \"rating\": 2}\n",
       ":2: prompt, response: rated already in line 1"},
      {good + "{\"prompt\": \"a\", \"response\": \"c\"}\n", ":2: rating"},
      {"{\"prompt\": \"a\", \"response\": \"c\", \"rating\": \"good\"}\n",
       ":1: rating"},
      {"{\"prompt\": 3, \"response\": \"c\", \"rating\": 1}\n", ":1: prompt"},
      {"{\"prompt\": \"a\", \"rating\": 1}\n", ":1: response"},
      {"[1]\n", ":1: expected {prompt, response, rating}"},
      {"{\n", ":1: "},
      {"", ":1: no rows"},
  };
  for (const auto& row : cases) {
    const absl::Status status =
        RatingsScorer::Create(FileOf(row.rows)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << row.rows;
    EXPECT_NE(status.message().find(row.told), std::string::npos) << status;
  }
  EXPECT_EQ(RatingsScorer::Create("/nowhere.jsonl").status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace operant::reward
