#include "common/text/split_pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace operant {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Pieces(SplitPattern pattern, std::string_view text) {
  std::vector<std::string> pieces;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = NextSplit(pattern, text, begin);
    pieces.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return pieces;
}

// The expectations below are what `tokenizers` gives for the same text.

TEST(Gpt2PatternTest, LeavesTheLastSpaceOfARunToTheWord) {
  EXPECT_THAT(Pieces(SplitPattern::kGpt2, "a   bc  "),
              ElementsAre("a", "  ", " bc", "  "));
  EXPECT_THAT(Pieces(SplitPattern::kGpt2, "a\n\n b"),
              ElementsAre("a", "\n\n", " b"));
  EXPECT_THAT(Pieces(SplitPattern::kGpt2, "a\u3000\u3000b"),
              ElementsAre("a", "\u3000", "\u3000", "b"));
}

TEST(Gpt2PatternTest, TakesLowerCaseContractionsAlone) {
  EXPECT_THAT(
      Pieces(SplitPattern::kGpt2, "we'll sort'sort I'M '"),
      ElementsAre("we", "'ll", " sort", "'s", "ort", " I", "'", "M", " '"));
}

TEST(Gpt2PatternTest, PartsLettersNumbersAndTheRest) {
  EXPECT_THAT(Pieces(SplitPattern::kGpt2, "x86 \u00b2? e\u0301"),
              ElementsAre("x", "86", " \u00b2", "?", " e", "\u0301"));
}

TEST(Llama3PatternTest, TakesContractionsOfAnyCase) {
  EXPECT_THAT(Pieces(SplitPattern::kLlama3, "I'M she'\u017fx 'rex"),
              ElementsAre("I", "'M", " she", "'\u017f", "x", " '", "rex"));
}

TEST(Llama3PatternTest, CutsNumbersIntoThreeDigits) {
  EXPECT_THAT(Pieces(SplitPattern::kLlama3, "1234567 89"),
              ElementsAre("123", "456", "7", " ", "89"));
}

TEST(Qwen2PatternTest, CutsNumbersIntoDigits) {
  EXPECT_THAT(Pieces(SplitPattern::kQwen2, "a12"), ElementsAre("a", "1", "2"));
}

TEST(Llama3PatternTest, JoinsOneMarkWithAWordAndLinesWithPunctuation) {
  EXPECT_THAT(Pieces(SplitPattern::kLlama3, "(a) .\r\n\n b"),
              ElementsAre("(a", ")", " .\r\n\n", " b"));
  EXPECT_THAT(Pieces(SplitPattern::kLlama3, " \n \n  b\t\tc"),
              ElementsAre(" \n \n", " ", " b", "\t", "\tc"));
}

TEST(SplitPatternTest, TreatsInvalidBytesAsMarks) {
  EXPECT_THAT(Pieces(SplitPattern::kGpt2, "a\xff\xe2\x82 b"),
              ElementsAre("a", "\xff\xe2\x82", " b"));
}

TEST(SplitPatternTest, KnowsExactSpellingsOnly) {
  EXPECT_EQ(FindSplitPattern(R"(\p{L}+)"), std::nullopt);
  EXPECT_EQ(
      FindSplitPattern(
          R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"),
      SplitPattern::kGpt2);
}

// A quadratic scanner would take minutes; the bound leaves room for a slow,
// busy machine.
TEST(SplitPatternTest, TakesLinearTimeOnHostileText) {
  constexpr size_t kBytes = 1 << 20;
  const absl::Time start = absl::Now();
  for (const std::string unit : {" ", "\n ", "'", "1", "a", " \t", "\u3000"}) {
    std::string text;
    while (text.size() < kBytes) text += unit;
    for (const auto pattern :
         {SplitPattern::kGpt2, SplitPattern::kLlama3, SplitPattern::kQwen2}) {
      EXPECT_FALSE(Pieces(pattern, text + "x").empty());
    }
  }
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
}

}  // namespace
}  // namespace operant
