#include "common/text/preference_dataset.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kGood[] = R"({"prompt": "p", "chosen": "a", "rejected": "b"})";

std::string Write(const std::string& text) {
  const std::string path = absl::StrCat(
      testing::TempDir(), "/preferences_",
      testing::UnitTest::GetInstance()->current_test_info()->name(), ".jsonl");
  EXPECT_TRUE(WriteFileAtomically(path, text).ok());
  return path;
}

// What is said of a file whose second row is `row`.
std::string Fault(const std::string& row) {
  const auto pairs = LoadPreferences(Write(absl::StrCat(kGood, "\n", row)));
  EXPECT_TRUE(absl::IsDataLoss(pairs.status())) << row;
  return std::string(pairs.status().message());
}

TEST(PreferenceDatasetTest, ReadsSidesMarginsAndEnds) {
  const auto pairs = LoadPreferences(Write(absl::StrCat(
      kGood, "\n\n",
      R"({"chosen": "a", "rejected": "a", "rejected_finish": "length",)",
      R"( "prompt": "q", "margin": 2.5, "note": 1})", "\n")));
  ASSERT_TRUE(pairs.ok()) << pairs.status();
  ASSERT_THAT(*pairs, SizeIs(2));
  EXPECT_EQ((*pairs)[0].margin, 0);
  EXPECT_TRUE((*pairs)[0].rejected.stopped);
  EXPECT_EQ((*pairs)[1].line, 3);
  EXPECT_EQ((*pairs)[1].margin, 2.5);
  EXPECT_FALSE((*pairs)[1].rejected.stopped);
}

TEST(PreferenceDatasetTest, BadRowsAreNamedWithTheirPlaceAndField) {
  EXPECT_THAT(Fault(R"({"prompt": "p", "chosen": "a", "rejected": "a"})"),
              AllOf(HasSubstr(".jsonl:2: "), HasSubstr("rejected")));
  EXPECT_THAT(Fault(R"({"prompt": "p", "chosen": "a"})"),
              HasSubstr("rejected: expected text"));
  EXPECT_THAT(Fault(R"({"prompt": "p", "chosen": 1, "rejected": "b"})"),
              HasSubstr("chosen: expected text"));
  EXPECT_THAT(Fault(R"({"chosen": "", "rejected": "b",)"
                    R"( "chosen_finish": "stop"})"),
              HasSubstr("prompt: expected text"));
  EXPECT_THAT(Fault(R"({"prompt": "p", "chosen": "a", "rejected": ""})"),
              AllOf(HasSubstr(".jsonl:2: rejected: expected text"),
                    HasSubstr("rejected_finish=\"stop\"")));
  EXPECT_THAT(Fault(R"({"prompt": "p", "chosen": "", "rejected": "b",)"
                    R"( "chosen_finish": "length"})"),
              HasSubstr("chosen: expected text"));
  EXPECT_THAT(Fault(R"({"prompt": "p", "chosen": "a", "rejected": "b",)"
                    R"( "margin": -1})"),
              HasSubstr("margin: expected at least 0"));
  EXPECT_THAT(Fault(R"({"prompt": "p", "chosen": "a", "rejected": "b",)"
                    R"( "chosen_finish": "late"})"),
              HasSubstr("chosen_finish"));
  EXPECT_THAT(Fault("[1]"), HasSubstr("expected an object"));
  EXPECT_THAT(Fault("{"), HasSubstr(".jsonl:2: "));
}

TEST(PreferenceDatasetTest, AFileNeedsRowsAndMustExist) {
  EXPECT_TRUE(absl::IsDataLoss(LoadPreferences(Write("\n")).status()));
  EXPECT_TRUE(absl::IsNotFound(LoadPreferences("/no/such/file").status()));
}

ScoredSample Sample(const std::string& prompt, const std::string& text,
                    double score) {
  return {prompt, {text, true}, score};
}

TEST(MakePairsTest, TheBestGoesWithTheWorst) {
  const auto pairs =
      MakePairs({Sample("p", "middle", 2), Sample("q", "only", 1),
                 Sample("p", "worst", 0), Sample("p", "best", 5),
                 Sample("p", "good", 4), Sample("p", "bad", 1)},
                /*min_gap=*/0);
  ASSERT_THAT(pairs, SizeIs(2));
  EXPECT_EQ(pairs[0].chosen.text, "best");
  EXPECT_EQ(pairs[0].rejected.text, "worst");
  EXPECT_EQ(pairs[0].margin, 5);
  EXPECT_EQ(pairs[1].chosen.text, "good");
  EXPECT_EQ(pairs[1].rejected.text, "bad");
}

TEST(MakePairsTest, EqualScoresAndEqualResponsesSayNothing) {
  EXPECT_THAT(MakePairs({Sample("p", "a", 1), Sample("p", "b", 1)}, 0),
              IsEmpty());
  EXPECT_THAT(MakePairs({Sample("p", "a", 1), Sample("p", "a", 0)}, 0),
              IsEmpty());
  EXPECT_THAT(MakePairs({Sample("p", "a", 1), Sample("p", "b", 0.5)}, 0.5),
              IsEmpty());
}

TEST(MakePairsTest, WhatIsWrittenIsReadBack) {
  std::vector<ScoredSample> samples = {Sample("p \"x\"", "a\n", 1),
                                       Sample("p \"x\"", "b", 0)};
  samples[1].response.stopped = false;
  const PreferencePair pair = MakePairs(samples, 0)[0];
  const auto read = LoadPreferences(Write(ToJsonLine(pair)));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ((*read)[0].prompt, pair.prompt);
  EXPECT_EQ((*read)[0].chosen, pair.chosen);
  EXPECT_EQ((*read)[0].rejected, pair.rejected);
  EXPECT_EQ((*read)[0].margin, pair.margin);
}

TEST(MakePairsTest, AResponseThatEndedAtOnceIsWrittenAndReadBack) {
  const PreferencePair pair =
      MakePairs({Sample("p", "a", 1), Sample("p", "", 0)}, 0)[0];
  const auto read = LoadPreferences(Write(ToJsonLine(pair)));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ((*read)[0].rejected, pair.rejected);
}

TEST(ScoredSamplesTest, ReadsWhatARunRecords) {
  std::vector<ScoredSample> samples;
  ASSERT_TRUE(ReadScoredSamples(
                  Write(R"({"prompt": "p", "response": "a", "score": -0.5, )"
                        R"("finish": "FINISH_REASON_LENGTH", "values": [1]})"),
                  samples)
                  .ok());
  ASSERT_THAT(samples, SizeIs(1));
  EXPECT_EQ(samples[0].score, -0.5);
  EXPECT_FALSE(samples[0].response.stopped);
  const absl::Status no_score =
      ReadScoredSamples(Write(R"({"prompt": "p", "response": "a"})"), samples);
  EXPECT_THAT(std::string(no_score.message()),
              HasSubstr(":1: score: expected a finite number"));
}

}  // namespace
}  // namespace operant
