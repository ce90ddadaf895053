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
  const auto json = TrainBpe(options, texts);
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
               {"<eos> <eos> <eos>"});
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

TEST(BpeTrainerTest, EqualTextsGiveAnEqualTokenizer) {
  const std::vector<std::string> texts = {"the cat sat on the mat",
                                          "a cat and a hat, the cat"};
  EXPECT_EQ(*TrainBpe({.vocab_size = 280}, texts),
            *TrainBpe({.vocab_size = 280}, {texts[1], texts[0]}));
}

TEST(BpeTrainerTest, RefusesImpossibleOptions) {
  for (const BpeTrainerOptions& options : std::vector<BpeTrainerOptions>{
           {.vocab_size = 255},
           {.vocab_size = 256, .special_tokens = {"<eos>"}},
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
