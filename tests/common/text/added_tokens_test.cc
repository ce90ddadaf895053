#include "common/text/added_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace operant {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Find(std::vector<AddedToken> tokens,
                              std::string_view text, bool plain_text = false) {
  std::vector<std::string> found;
  const AddedTokenMatcher matcher(std::move(tokens));
  matcher.Find(
      text, plain_text, [&](std::string_view gap) { found.emplace_back(gap); },
      [&](int32_t id) { found.push_back("#" + std::to_string(id)); });
  return found;
}

TEST(AddedTokensTest, TheLongestAtAPlaceWins) {
  EXPECT_THAT(Find({{.id = 1, .content = "ab"}, {.id = 2, .content = "abc"}},
                   "xabcabd"),
              ElementsAre("x", "#2", "#1", "d"));
}

TEST(AddedTokensTest, StripsTakeTheSpacesAround) {
  EXPECT_THAT(Find({{.id = 1, .content = "<m>", .lstrip = true}}, "a  <m> b"),
              ElementsAre("a", "#1", " b"));
  EXPECT_THAT(Find({{.id = 1, .content = "<m>", .rstrip = true}}, "a <m>\n b"),
              ElementsAre("a ", "#1", "b"));
  EXPECT_THAT(
      Find({{.id = 1, .content = "<m>", .lstrip = true, .rstrip = true}},
           "<m> <m>"),
      ElementsAre("#1", "#1"));
}

TEST(AddedTokensTest, ASingleWordStandsBetweenBoundaries) {
  const AddedToken token = {.id = 1, .content = "the", .single_word = true};
  EXPECT_THAT(Find({token}, "the other, the."),
              ElementsAre("#1", " other, ", "#1", "."));
  EXPECT_THAT(Find({token}, "\u00e9the the_"), ElementsAre("\u00e9the the_"));
}

TEST(AddedTokensTest, PlainTextHidesSpecialTokensAlone) {
  EXPECT_THAT(Find({{.id = 1, .content = "<s>", .special = true},
                    {.id = 2, .content = "<t>"}},
                   "<s><t>", true),
              ElementsAre("<s>", "#2"));
}

}  // namespace
}  // namespace operant
