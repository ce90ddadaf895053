#include "reward/math_scorer.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/file_io.h"
#include "gtest/gtest.h"
#include "reward/math_answer.h"
#include "tests/testing/score_one.h"

namespace operant::reward {
namespace {

constexpr char kPairs[] = "tests/reward/math_pairs.tsv";
constexpr double kTolerance = 1e-9;

struct Pair {
  int64_t line = 0;
  std::string truth, answer;
  bool same = false;
};

std::vector<Pair> HandCheckedPairs() {
  std::vector<Pair> pairs;
  EXPECT_TRUE(
      ForEachLine(kPairs, 1 << 16, [&](int64_t line, std::string_view text) {
        if (text.empty() || text[0] == '#') {
          return absl::OkStatus();
        }
        const std::vector<std::string> row =
            absl::StrSplit(std::string(text), '\t');
        EXPECT_EQ(row.size(), 3u) << line;
        if (row.size() == 3) {
          pairs.push_back({line, row[0], row[1], row[2] == "1"});
        }
        return absl::OkStatus();
      }).ok());
  return pairs;
}

TEST(MathScorerTest, AgreesWithEveryHandCheckedPair) {
  int same = 0, different = 0;
  for (const Pair& pair : HandCheckedPairs()) {
    EXPECT_EQ(SameMathAnswer(pair.truth, pair.answer, kTolerance), pair.same)
        << kPairs << ":" << pair.line << ": " << pair.truth << " | "
        << pair.answer;
    ++(pair.same ? same : different);
  }
  EXPECT_GE(same + different, 300);
  EXPECT_GE(different, 100);
}

TEST(MathScorerTest, EqualityHasNoSide) {
  for (const Pair& pair : HandCheckedPairs()) {
    if (!pair.same) continue;
    if (pair.answer.find("since") != std::string::npos ||
        pair.answer.find("(the") != std::string::npos) {
      continue;  // a remark belongs to the answer only
    }
    EXPECT_TRUE(SameMathAnswer(pair.answer, pair.truth, kTolerance))
        << kPairs << ":" << pair.line;
  }
}

TEST(MathScorerTest, ToleranceIsAShareOfTheLarger) {
  EXPECT_TRUE(SameMathAnswer("100", "99", 0.011));
  EXPECT_FALSE(SameMathAnswer("100", "99", 0.009));
  EXPECT_TRUE(SameMathAnswer("\\pi", "3.14", 0.001));
}

TEST(FindMathAnswerTest, PrefersTheBoxThenTheCueThenTheLastNumber) {
  const struct {
    const char* response;
    const char* answer;
  } rows[] = {
      {"so 3 + 4 = \\boxed{7}, not 8", "7"},
      {"first \\boxed{1}, then \\boxed{\\frac{1}{2}}", "\\frac{1}{2}"},
      {"The answer is 12. I checked 99 cases.", "12"},
      {"The final answer is: 3.5\nbye", "3.5"},
      {"Answer: x = 4", "x = 4"},
      {"steps\n#### 1,234", "1,234"},
      {"17 and then 1,500 in all.", "1,500"},
      {"it falls by -3.5 m", "-3.5"},
      {"that makes 3/4 of it", "3/4"},
      {"a share of 12.5%.", "12.5%"},
      {"\\boxed{7", "7"},
      {"12", "12"},
  };
  for (const auto& row : rows) {
    const std::optional<std::string> found = FindMathAnswer(row.response);
    ASSERT_TRUE(found.has_value()) << row.response;
    EXPECT_EQ(*found, row.answer) << row.response;
  }
  EXPECT_FALSE(FindMathAnswer("no idea").has_value());
  EXPECT_FALSE(FindMathAnswer("").has_value());
}

TEST(MathScorerTest, HostileAnswersEndSoon) {
  const absl::Time start = absl::Now();
  for (const std::string part :
       {"(", "[", "{", "\\frac{", "\\sqrt", "-", "1,", "^", "\\boxed{", "1 or ",
        "2(", "x=", "((1,", " U ", "\x02"}) {
    std::string answer;
    while (answer.size() < 100'000) answer += part;
    EXPECT_FALSE(SameMathAnswer("5", answer, kTolerance)) << part;
    EXPECT_FALSE(SameMathAnswer("5", answer.substr(0, 1990), kTolerance))
        << part;
    FindMathAnswer(answer);
  }
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
}

TEST(MathScorerTest, ARowWithoutAnAnswerIsAnErrorNamingIt) {
  v1::AnswerRule rule;
  rule.set_tolerance(kTolerance);
  const auto scorer = MathScorer::Create(rule);
  ASSERT_TRUE(scorer.ok());
  const v1::ScoreResult bad = ScoreOne(**scorer, TextItem("5", ""));
  ASSERT_TRUE(bad.has_error());
  EXPECT_NE(bad.error().message().find("row='prompt-17' ground_truth="),
            std::string::npos);
  const v1::ScoreResult good =
      ScoreOne(**scorer, TextItem("it is \\boxed{5}", "5.0"));
  EXPECT_EQ(good.score(), 1);
  EXPECT_EQ(good.components().at("answered"), 1);
  const v1::ScoreResult none = ScoreOne(**scorer, TextItem("no idea", "5"));
  EXPECT_EQ(none.score(), 0);
  EXPECT_EQ(none.components().at("answered"), 0);
}

TEST(MathScorerTest, APatternOfYoursFindsTheAnswer) {
  v1::AnswerRule rule;
  rule.set_tolerance(kTolerance);
  rule.set_pattern("<a>(.*?)</a>");
  const auto scorer = MathScorer::Create(rule);
  ASSERT_TRUE(scorer.ok());
  EXPECT_EQ(ScoreOne(**scorer, TextItem("<a>1</a> <a>2</a> 3", "2")).score(),
            1);
  EXPECT_EQ(ScoreOne(**scorer, TextItem("2", "2")).score(), 0);
  rule.set_pattern("(");
  EXPECT_EQ(MathScorer::Create(rule).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace operant::reward
