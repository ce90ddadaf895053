#include "reward/loop.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "reward/words.h"

namespace operant::reward {
namespace {

bool Loops(const std::string& text) { return HasLoop(Words(text)); }

TEST(LoopTest, OneWordLoopsAtItsThirdTimeInARow) {
  EXPECT_FALSE(Loops("a very very big dog"));
  EXPECT_TRUE(Loops("a very very very big dog"));
}

TEST(LoopTest, TwoWordsLoopAtTheirThirdTimeInARow) {
  EXPECT_FALSE(Loops("a b a b c"));
  EXPECT_TRUE(Loops("x a b a b a b y"));
}

TEST(LoopTest, ThreeToEightWordsLoopAtTheirSecondTimeInARow) {
  EXPECT_TRUE(Loops("x a b c a b c"));
  EXPECT_TRUE(Loops("a b c d e f g h a b c d e f g h"));
  EXPECT_FALSE(Loops("a b c x a b c"));
}

TEST(LoopTest, NineWordsMayComeTwiceInARow) {
  EXPECT_FALSE(Loops("a b c d e f g h i a b c d e f g h i"));
}

TEST(LoopTest, FourWordsLoopAtTheirThirdTimeAnywhere) {
  EXPECT_FALSE(Loops("a b c d x a b c d y"));
  EXPECT_TRUE(Loops("a b c d x a b c d y a b c d"));
}

TEST(LoopTest, FewOrNoWordsDoNotLoop) {
  EXPECT_FALSE(Loops(""));
  EXPECT_FALSE(Loops("a"));
}

// A quadratic search would take minutes.
TEST(LoopTest, ManyDifferentWordsTakeLinearTime) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) absl::StrAppend(&text, "w", i, " ");
  const absl::Time start = absl::Now();
  EXPECT_FALSE(Loops(text));
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
}

}  // namespace
}  // namespace operant::reward
