#include "reward/words.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant::reward {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(WordsTest, SplitAtSpacesAndLosePunctuationAtTheirEnds) {
  EXPECT_THAT(Words("a well-known (u.s.) dog, 'big' dogs'"),
              ElementsAre("a", "well-known", "u.s", "dog", "big", "dogs"));
}

TEST(WordsTest, PunctuationAloneIsNoWord) {
  EXPECT_THAT(Words(" -- ( ) ; "), IsEmpty());
  EXPECT_THAT(Words(""), IsEmpty());
}

TEST(WordPartsTest, SplitAtPunctuationButKeepInnerApostrophes) {
  EXPECT_THAT(WordParts("a well-known (u.s.) dog's and/or 1,000 dogs'"),
              ElementsAre("a", "well", "known", "u", "s", "dog's", "and", "or",
                          "1,000", "dogs"));
}

}  // namespace
}  // namespace operant::reward
