#include "reward/punctuation.h"

#include <string>

#include "gtest/gtest.h"

namespace operant::reward {
namespace {

std::string Fault(std::string_view text) {
  return std::string(PunctuationFault(text, /*cut=*/false));
}

class RightTest : public testing::TestWithParam<const char*> {};

TEST_P(RightTest, BreaksNoRule) { EXPECT_EQ(Fault(GetParam()), ""); }

INSTANTIATE_TEST_SUITE_P(
    Punctuation, RightTest,
    testing::Values("", "a large dog", "a dog, a cat; both",
                    "about 1,000 of them", "approximately 3.14 times",
                    "a .45-caliber pistol",
                    "a drug (e.g., aspirin) or the like", "illegal in the u.s.",
                    "regards, attention, etc.; bestow", "(botany) of a plant",
                    "a short- or long-haired dog",
                    "wood- and coal-burning stoves", "ten to twelve -- or more",
                    "gregarious--having a dislike", "a dog's tail",
                    "the dogs' tails", "called a 'prophet' by many",
                    "called a `prophet' by many", "either and/or both",
                    "the goddess (of love (and war))", "made by c. h. best",
                    "diabetes (1891-1941)", "a physicist (1923-)"));

struct Wrong {
  const char* text;
  const char* fault;
};

class WrongTest : public testing::TestWithParam<Wrong> {};

TEST_P(WrongTest, NamesTheFault) {
  EXPECT_EQ(Fault(GetParam().text), GetParam().fault);
}

INSTANTIATE_TEST_SUITE_P(
    Alphabet, WrongTest,
    testing::Values(Wrong{"a Dog", "character outside the alphabet"},
                    Wrong{"a dog!", "character outside the alphabet"},
                    Wrong{"a caf\xc3\xa9", "character outside the alphabet"},
                    Wrong{"a\tdog", "character outside the alphabet"},
                    Wrong{"a \xff dog", "character outside the alphabet"}));

INSTANTIATE_TEST_SUITE_P(Spacing, WrongTest,
                         testing::Values(Wrong{"a  dog", "broken spacing"},
                                         Wrong{" a dog", "broken spacing"},
                                         Wrong{"a dog ", "broken spacing"},
                                         Wrong{" ", "broken spacing"},
                                         Wrong{"a( b)", "broken spacing"},
                                         Wrong{"a (b)c", "broken spacing"},
                                         Wrong{"a () b", "broken spacing"}));

INSTANTIATE_TEST_SUITE_P(
    Marks, WrongTest,
    testing::Values(Wrong{"a dog , a cat", "broken punctuation"},
                    Wrong{"a dog,a cat", "broken punctuation"},
                    Wrong{"a dog;a cat", "broken punctuation"},
                    Wrong{"a dog,, a cat", "broken punctuation"},
                    Wrong{"a dog.. a cat", "broken punctuation"},
                    Wrong{", a dog", "broken punctuation"},
                    Wrong{"a dog,", "broken punctuation"},
                    Wrong{"a dog;", "broken punctuation"},
                    Wrong{"a dog -", "broken punctuation"},
                    Wrong{"a (dog-)", "broken punctuation"},
                    Wrong{"a dog-", "broken punctuation"},
                    Wrong{"-dog cat", "broken punctuation"},
                    Wrong{"a --- b", "broken punctuation"},
                    Wrong{"a dog --", "broken punctuation"},
                    Wrong{"a dog.cat", "broken punctuation"},
                    Wrong{"a / b", "broken punctuation"}));

INSTANTIATE_TEST_SUITE_P(
    Pairs, WrongTest,
    testing::Values(Wrong{"a (dog", "unbalanced bracket"},
                    Wrong{"a dog) b", "unbalanced bracket"},
                    Wrong{"a 'dog", "unbalanced quote"},
                    Wrong{"a dog' b", "unbalanced quote"},
                    Wrong{"a `dog b", "unbalanced quote"}));

TEST(PunctuationTest, CutTextIsNotBlamedForItsEnd) {
  for (const char* text : {"a (dog", "a 'dog", "a dog,", "a dog;", "a dog"}) {
    EXPECT_EQ(PunctuationFault(text, /*cut=*/true), "") << text;
  }
  EXPECT_NE(PunctuationFault("a ,dog", /*cut=*/true), "");
}

}  // namespace
}  // namespace operant::reward
