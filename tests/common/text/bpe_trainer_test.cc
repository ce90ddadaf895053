#include "common/text/bpe_trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/text/tokenizer.h"

namespace operant {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

nlohmann::json Train(const BpeTrainerOptions& options,
                     const std::vector<std::string>& texts) {
  const auto json = TrainBpe(options, {.written = texts});
  EXPECT_TRUE(json.ok()) << json.status();
  return nlohmann::json::parse(*json);
}

// Pairs: "a b" 4, " a" 3; then "Ġ ab" 3 (" a" is used up), "ab c" 2.
TEST(BpeTrainerTest, MergesTheMostFrequentPairFirst) {
  const nlohmann::json json =
      Train({.vocab_size = 259}, {"ab ab abc", "x abc"});
  EXPECT_THAT(json["model"]["merges"],
              ElementsAre("a b", "\u0120 ab", "\u0120ab c"));
}

TEST(BpeTrainerTest, TiesGoToTheLeastIds) {
  const nlohmann::json json = Train({.vocab_size = 257}, {"zy zy", "ba ba"});
  EXPECT_THAT(json["model"]["merges"], ElementsAre("b a"));
}

TEST(BpeTrainerTest, StopsBelowTheMinimalFrequency) {
  const nlohmann::json json =
      Train({.vocab_size = 1000, .min_frequency = 2}, {"ab", "ab", "cd"});
  EXPECT_THAT(json["model"]["merges"], ElementsAre("a b"));
  EXPECT_THAT(json["model"]["vocab"], SizeIs(257));
}

TEST(BpeTrainerTest, SpecialTokensHaveTheFirstIds) {
  const auto json =
      TrainBpe({.vocab_size = 300, .special_tokens = {"<eos>", "<pad>"}},
               {.written = {"<eos> <eos> <eos>"}});
  ASSERT_TRUE(json.ok());
  const auto tokenizer = Tokenizer::Parse(*json);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT((*tokenizer)->Encode("<pad><eos>"), ElementsAre(1, 0));
  EXPECT_TRUE((*tokenizer)->IsSpecial(0) && (*tokenizer)->IsSpecial(1));
  EXPECT_FALSE((*tokenizer)->IsSpecial(2));
}

// Pieces that spell "<>" are frequent; the merge would be a special token.
TEST(BpeTrainerTest, NoMergeSpellsASpecialToken) {
  const nlohmann::json json =
      Train({.vocab_size = 300, .special_tokens = {"<>"}}, {"<>", "<>", "<>"});
  EXPECT_THAT(json["model"]["merges"], SizeIs(0));
}

// "the" comes three times, " cat" twice, " hat" once.
TEST(BpeTrainerTest, WholeWordsNeedNoMerges) {
  const BpeTrainerOptions options = {.vocab_size = 300, .whole_words = 2};
  const auto json =
      TrainBpe(options, {.written = {"the cat", "the cat", "the hat"}});
  ASSERT_TRUE(json.ok()) << json.status();
  const auto parsed = nlohmann::json::parse(*json);
  EXPECT_EQ(parsed["model"]["vocab"]["the"], 256);
  EXPECT_EQ(parsed["model"]["vocab"]["\u0120cat"], 257);
  EXPECT_TRUE(parsed["model"]["ignore_merges"]);
  EXPECT_THAT(parsed["model"]["merges"], SizeIs(0));
  const auto tokenizer = Tokenizer::Parse(*json);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT((*tokenizer)->Encode("the cat hat"),
              ElementsAre(256, 257, 220, 71, 64, 83));
  EXPECT_EQ((*tokenizer)->Decode(std::vector<int32_t>{256, 257}), "the cat");
}

TEST(BpeTrainerTest, WholeWordsAreWrittenOnesAndMergesServeTheRest) {
  const auto json = TrainBpe({.vocab_size = 300, .whole_words = 1},
                             {.written = {"cat", "cat", "hen"},
                              .read = {"hen", "hen", "hen", "dog", "dog"}});
  ASSERT_TRUE(json.ok()) << json.status();
  const auto model = nlohmann::json::parse(*json)["model"];
  EXPECT_EQ(model["vocab"]["cat"], 256);
  EXPECT_THAT(model["merges"], ElementsAre("e n", "h en", "d o", "do g"));
}

TEST(BpeTrainerTest, EqualTextsGiveAnEqualTokenizer) {
  const std::vector<std::string> texts = {"the cat sat on the mat",
                                          "a cat and a hat, the cat"};
  EXPECT_EQ(*TrainBpe({.vocab_size = 280}, {.written = texts}),
            *TrainBpe({.vocab_size = 280}, {.written = {texts[1], texts[0]}}));
}

TEST(BpeTrainerTest, RefusesImpossibleOptions) {
  for (const BpeTrainerOptions& options : std::vector<BpeTrainerOptions>{
           {.vocab_size = 255},
           {.vocab_size = 256, .special_tokens = {"<eos>"}},
           {.vocab_size = 300, .whole_words = 45},
           {.vocab_size = 300, .special_tokens = {"<eos>", "<eos>"}},
           {.vocab_size = 300, .special_tokens = {""}},
           {.vocab_size = 300, .special_tokens = {"a"}}}) {
    EXPECT_EQ(TrainBpe(options, {}).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(BpeTrainerTest, TokenizerConfigNamesTheTokens) {
  const auto config = nlohmann::json::parse(TokenizerConfigJson(
      {.eos_token = "<eos>", .pad_token = "<pad>", .model_max_length = 64}));
  EXPECT_EQ(config["tokenizer_class"], "PreTrainedTokenizerFast");
  EXPECT_EQ(config["eos_token"], "<eos>");
  EXPECT_EQ(config["pad_token"], "<pad>");
  EXPECT_EQ(config["model_max_length"], 64);
  EXPECT_EQ(config["clean_up_tokenization_spaces"], false);
}

}  // namespace
}  // namespace operant
