#include "learner/response_stats.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant::learner {
namespace {

using testing::ElementsAre;
using testing::Pair;

ResponseStats Of(const std::vector<std::string>& responses,
                 const absl::flat_hash_set<std::string>& training = {}) {
  return ComputeResponseStats(responses, training);
}

TEST(ResponseStatsTest, CountsWordsOverAnyWhiteSpace) {
  const ResponseStats stats = Of({"a  small\tdog", "the dog\n", ""});
  EXPECT_EQ(stats.responses, 3);
  EXPECT_DOUBLE_EQ(stats.mean_words, 5.0 / 3);
  EXPECT_EQ(stats.distinct_words, 4);
}

TEST(ResponseStatsTest, Distinct3IsDifferentTrigramsOverAll) {
  // abc, bcd, abc: two of three differ. Trigrams do not span responses.
  EXPECT_DOUBLE_EQ(Of({"a b c d", "a b c"}).distinct3, 2.0 / 3);
}

TEST(ResponseStatsTest, WithoutATrigramNothingRepeats) {
  EXPECT_EQ(Of({"a b", "a b"}).distinct3, 1);
}

TEST(ResponseStatsTest, VerbatimIgnoresOnlyOuterWhiteSpace) {
  const ResponseStats stats =
      Of({" a small dog ", "a  small dog", "a small"}, {"a small dog"});
  EXPECT_DOUBLE_EQ(stats.verbatim, 1.0 / 3);
}

TEST(ResponseStatsTest, VarietyIsCountedOverAFixedNumberOfResponses) {
  std::vector<std::string> responses(kDistinctWordsResponses, "a b c");
  responses.push_back("new words here");
  const ResponseStats stats = Of(responses);
  EXPECT_EQ(stats.distinct_words, 3);
  EXPECT_DOUBLE_EQ(stats.distinct3, 1.0 / kDistinct3Responses);
}

TEST(ResponseStatsTest, NoResponsesAreZeros) {
  const ResponseStats stats = Of({});
  EXPECT_EQ(stats.responses, 0);
  EXPECT_EQ(stats.mean_words, 0);
  EXPECT_EQ(stats.verbatim, 0);
}

TEST(CountByKindTest, LeavesOutResponsesWithoutAFault) {
  const std::vector<std::string> kinds = {"loop", "", "garbage", "loop"};
  EXPECT_THAT(CountByKind(kinds),
              ElementsAre(Pair("garbage", 1), Pair("loop", 2)));
}

}  // namespace
}  // namespace operant::learner
