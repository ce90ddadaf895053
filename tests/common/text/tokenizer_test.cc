#include "common/text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/file_io.h"
#include "tests/common/text/byte_level_json.h"

namespace operant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Ids: bytes 0-255, "ab" 256, "abc" 257, "bc" 258, <eos> 259, <tag> 260.
nlohmann::json SmallJson() {
  return ByteLevelJson({{"a", "b"}, {"ab", "c"}, {"b", "c"}});
}

std::unique_ptr<Tokenizer> Make(const nlohmann::json& json) {
  auto tokenizer = Tokenizer::Parse(json.dump());
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

absl::Status ParseStatus(const nlohmann::json& json) {
  return Tokenizer::Parse(json.dump()).status();
}

TEST(TokenizerTest, MergesByRankThenFromTheLeft) {
  const auto tokenizer = Make(SmallJson());
  EXPECT_THAT(tokenizer->Encode("abc"), ElementsAre(257));
  EXPECT_THAT(tokenizer->Encode("bcab"), ElementsAre(258, 256));
  // "a b" outranks "b c": the b goes to the a on its left.
  EXPECT_THAT(tokenizer->Encode("ababc"), ElementsAre(256, 257));
  EXPECT_THAT(tokenizer->Encode(""), IsEmpty());
}

TEST(TokenizerTest, OverlappingPairsMergeFromTheLeft) {
  const auto tokenizer = Make(ByteLevelJson({{"a", "a"}}));
  EXPECT_THAT(tokenizer->Encode("aaaaa"), ElementsAre(256, 256, 'a'));
}

TEST(TokenizerTest, ReadsBothFormsOfMerges) {
  nlohmann::json json = SmallJson();
  json["model"]["merges"] =
      nlohmann::json::parse(R"([["a", "b"], ["ab", "c"], ["b", "c"]])");
  EXPECT_THAT(Make(json)->Encode("abc"), ElementsAre(257));
}

TEST(TokenizerTest, IgnoreMergesTakesAWholePieceFirst) {
  nlohmann::json json = SmallJson();
  json["model"]["merges"] = nlohmann::json::array({"b c"});
  EXPECT_THAT(Make(json)->Encode("abc"), ElementsAre('a', 258));
  json["model"]["ignore_merges"] = true;
  EXPECT_THAT(Make(json)->Encode("abc"), ElementsAre(257));
}

TEST(TokenizerTest, DecodesWhatItEncoded) {
  const auto tokenizer = Make(SmallJson());
  std::string bytes;
  for (int b = 0; b < 256; ++b) bytes.push_back(static_cast<char>(b));
  for (const std::string& text :
       {std::string("abc \u00e9\n\u4e00 "), bytes, std::string("\xff\xc3(")}) {
    EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text)), text);
  }
}

TEST(TokenizerTest, InvalidBytesBecomeTheirByteTokens) {
  EXPECT_THAT(Make(SmallJson())->Encode("a\xff\x80"),
              ElementsAre('a', 0xff, 0x80));
}

TEST(TokenizerTest, AddedTokensAreFoundInText) {
  const auto tokenizer = Make(SmallJson());
  EXPECT_THAT(tokenizer->Encode("ab<eos><tag>ab"),
              ElementsAre(256, 259, 260, 256));
  EXPECT_EQ(tokenizer->TokenToId("<eos>"), 259);
  EXPECT_EQ(tokenizer->TokenToId("abc"), 257);
  EXPECT_EQ(tokenizer->TokenToId("nothing"), -1);
  EXPECT_TRUE(tokenizer->IsSpecial(259));
  EXPECT_FALSE(tokenizer->IsSpecial(260));
  EXPECT_FALSE(tokenizer->IsSpecial(-1));
  EXPECT_EQ(tokenizer->vocab_size(), 261);
}

TEST(TokenizerTest, PlainTextNeverBecomesASpecialToken) {
  EXPECT_THAT(Make(SmallJson())->Encode("<eos>", true),
              ElementsAre('<', 'e', 'o', 's', '>'));
  // Not even where the vocabulary and a merge spell one.
  nlohmann::json json = SmallJson();
  json["added_tokens"].push_back(
      {{"id", 256}, {"content", "ab"}, {"special", true}});
  EXPECT_THAT(Make(json)->Encode("ab", true), ElementsAre('a', 'b'));
  EXPECT_THAT(Make(json)->Encode("ab"), ElementsAre(256));
}

TEST(TokenizerTest, SkipsSpecialTokensAndForeignIdsWhenDecoding) {
  const auto tokenizer = Make(SmallJson());
  const std::vector<int32_t> ids = {256, 259, 260, -1, 9999};
  EXPECT_EQ(tokenizer->Decode(ids), "ab<tag>");
  EXPECT_EQ(tokenizer->Decode(ids, false), "ab<eos><tag>");
}

TEST(TokenizerTest, NormalizesToNfcIfAsked) {
  nlohmann::json json = SmallJson();
  json["normalizer"] = {{"type", "NFC"}};
  EXPECT_THAT(Make(json)->Encode("e\u0301"), ElementsAre(0xc3, 0xa9));
}

TEST(TokenizerTest, UnknownBytesAreDroppedOrReplaced) {
  nlohmann::json json = SmallJson();
  json["model"]["vocab"].erase("z");
  EXPECT_THAT(Make(json)->Encode("azzb"), ElementsAre(256));
  json["model"]["vocab"]["<unk>"] = 300;
  json["model"]["unk_token"] = "<unk>";
  EXPECT_THAT(Make(json)->Encode("azzb"), ElementsAre('a', 300, 300, 'b'));
  json["model"]["fuse_unk"] = true;
  EXPECT_THAT(Make(json)->Encode("azzb"), ElementsAre('a', 300, 'b'));
}

TEST(TokenizerTest, RefusesUnsupportedComponentsByName) {
  struct Case {
    const char* pointer;
    nlohmann::json value;
    const char* named;
  };
  for (const Case& c : std::vector<Case>{
           {"/model/type", "Unigram", "Unigram"},
           {"/model/byte_fallback", true, "byte_fallback"},
           {"/model/continuing_subword_prefix", "##", "subword_prefix"},
           {"/model/dropout", 0.5, "dropout"},
           {"/normalizer", {{"type", "Lowercase"}}, "Lowercase"},
           {"/pre_tokenizer", nullptr, "pre_tokenizer"},
           {"/decoder", {{"type", "Metaspace"}}, "Metaspace"},
           {"/post_processor", {{"type", "BertProcessing"}}, "Bert"}}) {
    nlohmann::json json = SmallJson();
    json[nlohmann::json::json_pointer(c.pointer)] = c.value;
    const absl::Status status = ParseStatus(json);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << c.pointer;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.named));
  }
}

TEST(TokenizerTest, RefusesMalformedFieldsAsDataLoss) {
  struct Case {
    const char* pointer;
    nlohmann::json value;
  };
  for (const Case& c :
       std::vector<Case>{{"/model/vocab", nlohmann::json::array()},
                         {"/model/vocab/a", -1},
                         {"/model/vocab/a", 1 << 30},
                         {"/model/vocab/a", 98},  // the id of "b"
                         {"/model/merges/0", "a b c"},
                         {"/model/merges/0", 3},
                         {"/model/merges/0", "a nothing"},
                         {"/model/unk_token", "nothing"},
                         {"/added_tokens/0/id", 97},        // the id of "a"
                         {"/added_tokens/0/content", "a"},  // has another id
                         {"/added_tokens/0/lstrip", "yes"},
                         {"/added_tokens", 1}}) {
    nlohmann::json json = SmallJson();
    json[nlohmann::json::json_pointer(c.pointer)] = c.value;
    EXPECT_EQ(ParseStatus(json).code(), absl::StatusCode::kDataLoss)
        << c.pointer << " " << c.value;
  }
}

TEST(TokenizerTest, RefusesWhatIsNotJson) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"),
        std::string("\"\xff\""), std::string(100000, '[')}) {
    EXPECT_EQ(Tokenizer::Parse(text).status().code(),
              absl::StatusCode::kDataLoss);
  }
}

TEST(TokenizerTest, LoadsAFileOrItsFolder) {
  const std::string folder = JoinPath(testing::TempDir(), "tokenizer_folder");
  ASSERT_TRUE(MakeDirectories(folder).ok());
  const std::string file = JoinPath(folder, "tokenizer.json");
  ASSERT_TRUE(WriteFileAtomically(file, SmallJson().dump()).ok());
  const auto from_folder = Tokenizer::Load(folder);
  const auto from_file = Tokenizer::Load(file);
  ASSERT_TRUE(from_folder.ok() && from_file.ok());
  EXPECT_EQ((*from_folder)->digest(), (*from_file)->digest());
  EXPECT_EQ((*from_file)->json(), SmallJson().dump());
  EXPECT_EQ(Tokenizer::Load(folder + "/missing").status().code(),
            absl::StatusCode::kNotFound);
}

// Quadratic merging of one long word would take hours.
TEST(TokenizerTest, EncodesHostileMegabytesQuickly) {
  const auto tokenizer = Make(SmallJson());
  const absl::Time start = absl::Now();
  for (const std::string unit : {"a", "abc", "<eos", " ", "\xff"}) {
    std::string text;
    while (text.size() < (1 << 20)) text += unit;
    EXPECT_FALSE(tokenizer->Encode(text).empty());
  }
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
}

}  // namespace
}  // namespace operant
