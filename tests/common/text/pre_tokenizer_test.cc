#include "common/text/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace operant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kGpt2[] =
    R"({"type": "ByteLevel", "add_prefix_space": false, "use_regex": true})";

absl::StatusOr<PreTokenizer> Parse(const std::string& json) {
  return PreTokenizer::FromJson(nlohmann::json::parse(json));
}

absl::StatusOr<PreTokenizer> ParseSequence(const std::string& parts) {
  return Parse(R"({"type": "Sequence", "pretokenizers": [)" + parts + "]}");
}

std::vector<std::string> Pieces(const absl::StatusOr<PreTokenizer>& pre,
                                std::string_view text) {
  std::vector<std::string> pieces;
  if (!pre.ok()) return {pre.status().ToString()};
  pre->Split(text, [&](std::string_view p) { pieces.emplace_back(p); });
  return pieces;
}

TEST(PreTokenizerTest, ByteLevelSplitsWithTheGpt2Pattern) {
  EXPECT_THAT(Pieces(Parse(kGpt2), "a bc"), ElementsAre("a", " bc"));
  EXPECT_THAT(Pieces(Parse(kGpt2), ""), IsEmpty());
}

TEST(PreTokenizerTest, PrefixSpaceIsAddedWhereThereIsNone) {
  const auto pre = Parse(R"({"type": "ByteLevel", "add_prefix_space": true})");
  EXPECT_THAT(Pieces(pre, "a b"), ElementsAre(" a", " b"));
  EXPECT_THAT(Pieces(pre, " a"), ElementsAre(" a"));
}

TEST(PreTokenizerTest, DigitsAreSingleOrRuns) {
  const std::string end = std::string(",") + kGpt2;
  EXPECT_THAT(
      Pieces(ParseSequence(R"({"type": "Digits", "individual_digits": true})" +
                           end),
             "ab 12 c"),
      ElementsAre("ab", " ", "1", "2", " c"));
  EXPECT_THAT(
      Pieces(ParseSequence(R"({"type": "Digits", "individual_digits": false})" +
                           end),
             "ab12c"),
      ElementsAre("ab", "12", "c"));
}

TEST(PreTokenizerTest, RefusesOthersByName) {
  for (const auto& [json, name] :
       std::vector<std::pair<std::string, std::string>>{
           {R"({"type": "Metaspace"})", "Metaspace"},
           {R"({"type": "Sequence", "pretokenizers": [{"type": "Punctuation"},
               {"type": "ByteLevel"}]})",
            "Punctuation"},
           {R"({"type": "Sequence", "pretokenizers": [
               {"type": "Split", "pattern": {"Regex": "\\d"},
                "behavior": "Isolated", "invert": false},
               {"type": "ByteLevel"}]})",
            "another pattern"}}) {
    const auto pre = Parse(json);
    EXPECT_EQ(pre.status().code(), absl::StatusCode::kUnimplemented);
    EXPECT_THAT(std::string(pre.status().message()), HasSubstr(name));
  }
}

TEST(PreTokenizerTest, RefusesMalformedComponentsAsDataLoss) {
  for (const char* json : {"[]", R"({"type": 3})", R"({"type": "Sequence"})",
                           R"({"type": "ByteLevel", "use_regex": 1})"}) {
    EXPECT_EQ(Parse(json).status().code(), absl::StatusCode::kDataLoss) << json;
  }
}

}  // namespace
}  // namespace operant
