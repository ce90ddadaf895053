#include "reward/wellformed.h"

#include <string>

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace operant::reward {
namespace {

const Lexicon& Words() {
  static const Lexicon* const lexicon = new Lexicon(
      {"a", "the", "large", "dog", "of", "very", "mother-in-law", "e.g."});
  return *lexicon;
}

Diagnosis Stopped(std::string_view text) {
  return Diagnose(text, v1::FINISH_REASON_STOP, Words());
}

TEST(LexiconTest, KnowsPartsPossessivesAndNumbers) {
  for (const char* part : {"dog", "dog's", "mother", "law", "e", "12", "1,000",
                           "1960s", "3rd", "1960's"}) {
    EXPECT_TRUE(Words().Knows(part)) << part;
  }
  for (const char* part : {"dogg", "dogs", "g's's", "12x", "'s", ""}) {
    EXPECT_FALSE(Words().Knows(part)) << part;
  }
}

TEST(LexiconTest, MissingFileIsNotFound) {
  EXPECT_EQ(Lexicon::Load("/nonexistent/lexicon.txt").status().code(),
            absl::StatusCode::kNotFound);
}

TEST(DiagnoseTest, WellFormedDefinitionHasNoFault) {
  const Diagnosis diagnosis = Stopped("a very large dog; the dog's law");
  EXPECT_FALSE(diagnosis.haywire());
  EXPECT_EQ(diagnosis.garbage_reason, "");
}

TEST(DiagnoseTest, OneLeadingSpaceIsFineAndTwoAreGarbage) {
  EXPECT_FALSE(Stopped(" a large dog").haywire());
  EXPECT_TRUE(Stopped("  a large dog").garbage);
}

TEST(DiagnoseTest, LoopIsFoundInWordsAndInTheirParts) {
  const Diagnosis words = Stopped("a very very very large dog");
  EXPECT_TRUE(words.loop);
  EXPECT_FALSE(words.garbage);
  EXPECT_TRUE(Stopped("the dog-dog-dog").loop);
  EXPECT_FALSE(Stopped("1,000,000,000 dogs").loop);
}

TEST(DiagnoseTest, UnknownWordIsGarbage) {
  const Diagnosis diagnosis = Stopped("a large dogg");
  EXPECT_TRUE(diagnosis.garbage);
  EXPECT_EQ(diagnosis.garbage_reason, "word outside the lexicon");
  EXPECT_FALSE(diagnosis.loop);
}

TEST(DiagnoseTest, UnderTwoWordsIsEmpty) {
  EXPECT_TRUE(Stopped("").empty);
  EXPECT_TRUE(Stopped("dog").empty);
  EXPECT_FALSE(Stopped("a dog").empty);
}

TEST(DiagnoseTest, LimitMakesItNonstopAndForgivesTheCutEnd) {
  const Diagnosis diagnosis =
      Diagnose("a large (dog of the la", v1::FINISH_REASON_LENGTH, Words());
  EXPECT_TRUE(diagnosis.nonstop);
  EXPECT_FALSE(diagnosis.garbage);
  EXPECT_TRUE(
      Diagnose("a lrge dog of", v1::FINISH_REASON_LENGTH, Words()).garbage);
}

// Linear time: a megabyte of anything takes well under a second, and a
// sanitizer's build a few.
TEST(DiagnoseTest, HostileMegabytesAreJudgedQuickly) {
  const absl::Time start = absl::Now();
  for (const char* piece : {"(", "'", "-", " ", "a", "a ", "a.", "\xff", ",",
                            "a-", "the dog ", "`a' "}) {
    std::string text;
    while (text.size() < (1 << 20)) text += piece;
    EXPECT_TRUE(Stopped(text).haywire()) << piece;
  }
  EXPECT_LT(absl::Now() - start, absl::Seconds(20));
}

}  // namespace
}  // namespace operant::reward
