#include "common/text/wordnet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "common/base/file_io.h"
#include "common/text/prompt_dataset.h"
#include "common/text/wordnet_entries.h"
#include "tests/common/text/byte_level_json.h"

namespace operant {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

std::string TempFolder(const std::string& name) {
  const std::string folder = JoinPath(testing::TempDir(), "wordnet_" + name);
  EXPECT_TRUE(RemoveTree(folder).ok());
  EXPECT_TRUE(MakeDirectories(folder).ok());
  return folder;
}

// A database of three nouns, one proper and one with two senses, and an
// adjective with a mark.
void WriteDatabase(const std::string& folder) {
  const std::string licence = "  1 licence\n";
  const std::string nouns =
      "00000012 05 n 02 true_cat 0 cat 0 000 | feline mammal with soft fur; "
      "\"the Cat's fur\"  \n"
      "00000101 15 n 01 Rome 0 000 | capital of Italy  \n"
      "00000150 18 n 01 cat 0 000 | a spiteful woman  \n";
  const std::string awake = "00000012 00 s 01 awake(p) 0 000 | not asleep  \n";
  const auto write = [&](const std::string& name, const std::string& text) {
    EXPECT_TRUE(WriteFileAtomically(JoinPath(folder, name), text).ok());
  };
  write("data.noun", licence + nouns);
  write("data.adj", licence + awake);
  write("data.verb", licence);
  write("data.adv", licence);
}

TEST(WordnetEntriesTest, ReadsLemmasDefinitionsAndWords) {
  const std::string folder = TempFolder("entries");
  WriteDatabase(folder);
  const auto wordnet = ReadWordnet(folder);
  ASSERT_TRUE(wordnet.ok()) << wordnet.status();
  ASSERT_EQ(wordnet->entries.size(), 3);
  EXPECT_EQ(wordnet->entries[0].headword, "cat");
  EXPECT_EQ(wordnet->entries[0].part_of_speech, "noun");
  EXPECT_EQ(wordnet->entries[0].definition, "feline mammal with soft fur");
  EXPECT_EQ(wordnet->entries[1].definition, "a spiteful woman");
  EXPECT_EQ(wordnet->entries[2].headword, "awake");
  EXPECT_EQ(wordnet->entries[2].part_of_speech, "adjective");
  EXPECT_THAT(wordnet->lexicon, Contains("cat's"));
  EXPECT_THAT(wordnet->lexicon, Contains("rome"));
  EXPECT_THAT(wordnet->lexicon, Contains("true"));
}

TEST(WordnetEntriesTest, MissingWordnetNamesThePackage) {
  const auto wordnet = ReadWordnet(TempFolder("missing"));
  EXPECT_EQ(wordnet.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(wordnet.status().message()),
              HasSubstr("apt-get install wordnet-base"));
}

TEST(WordnetEntriesTest, DamagedFilesAreDataLossWithTheirPlace) {
  const std::string folder = TempFolder("damaged");
  WriteDatabase(folder);
  const std::string data = JoinPath(folder, "data.noun");
  for (const char* line :
       {"00000012 05 n 01 cat 0 000\n", "00000012 05 n 09 cat 0 000 | fur\n",
        "00000012 05 n xx cat 0 000 | fur\n", "cat | fur\n"}) {
    ASSERT_TRUE(WriteFileAtomically(data, line).ok());
    const auto wordnet = ReadWordnet(folder);
    EXPECT_EQ(wordnet.status().code(), absl::StatusCode::kDataLoss) << line;
    EXPECT_THAT(std::string(wordnet.status().message()),
                HasSubstr("data.noun:1"));
  }
}

TEST(WordnetDemoTest, PlainDefinitionsAreToldFromOthers) {
  for (const char* text :
       {"a small cat", "(of a dog's coat) soft, well-kept; brown",
        "fur of a cat (or dog)", "in 1066, a king"}) {
    EXPECT_TRUE(IsPlainDefinition(text)) << text;
  }
  for (const char* text :
       {"", " a cat", "a cat ", "a  cat", "A cat", "a cat.", "a (cat", "a cat)",
        "a (b (c) d)", "a() b", "cat ,dog", "cat,dog", "a -cat", "a--b",
        "'a' cat", "caf\xc3\xa9 cat", "a cat,", "a/b", "a ( b)"}) {
    EXPECT_FALSE(IsPlainDefinition(text)) << text;
  }
}

TEST(WordnetDemoTest, WritesDatasetsThatLoad) {
  const std::string folder = TempFolder("written");
  WordnetDemo demo;
  demo.train = {{"cat (noun):", " a feline", "cat", "noun"}};
  demo.heldout = {{"dog (noun):", " a canine", "dog", "noun"}};
  demo.lexicon = {"canine", "feline"};
  ASSERT_TRUE(WriteWordnetDemo(demo, folder).ok());
  const auto tokenizer = Tokenizer::Parse(ByteLevelJson({}).dump());
  const auto train = LoadDataset(JoinPath(folder, "train.jsonl"),
                                 tokenizer->get(), {.need_response = true});
  ASSERT_TRUE(train.ok()) << train.status();
  EXPECT_EQ(train->front().response, " a feline");
  const auto prompts = LoadDataset(JoinPath(folder, "heldout_prompts.jsonl"),
                                   tokenizer->get(), {});
  ASSERT_TRUE(prompts.ok()) << prompts.status();
  EXPECT_EQ(prompts->front().prompt, "dog (noun):");
  EXPECT_EQ(prompts->front().response, "");
  EXPECT_EQ(*ReadFile(JoinPath(folder, "lexicon.txt")), "canine\nfeline\n");
}

// On the real WordNet, which the build's packages bring along.
class RealWordnetTest : public testing::Test {
 protected:
  void SetUp() override {
    auto demo = BuildWordnetDemo(kWordnetFolder, {});
    if (absl::IsNotFound(demo.status())) {
      GTEST_SKIP() << demo.status().message();
    }
    ASSERT_TRUE(demo.ok()) << demo.status();
    demo_ = *std::move(demo);
  }

  WordnetDemo demo_;
};

TEST_F(RealWordnetTest, SplitsAreLargeAndShareNeitherWordNorDefinition) {
  EXPECT_GE(demo_.train.size(), 13000);
  EXPECT_EQ(demo_.heldout.size(), 1250);
  std::set<std::string> words;
  std::set<std::string> prompts;
  std::set<std::string> definitions;
  for (const WordnetDemo::Row& row : demo_.train) {
    words.insert(row.headword);
    EXPECT_TRUE(definitions.insert(row.response).second) << row.response;
  }
  for (const WordnetDemo::Row& row : demo_.heldout) {
    EXPECT_EQ(words.count(row.headword), 0) << row.headword;
    EXPECT_TRUE(prompts.insert(row.prompt).second) << row.prompt;
    EXPECT_TRUE(definitions.insert(row.response).second) << row.response;
    EXPECT_TRUE(IsPlainDefinition(row.response.substr(1)));
  }
}

TEST_F(RealWordnetTest, DefinitionsKeepToAClosedVocabulary) {
  std::map<std::string, int> counts;
  for (const auto* rows : {&demo_.train, &demo_.heldout}) {
    for (const WordnetDemo::Row& row : *rows) {
      std::string text = row.response;
      for (char& c : text) c = absl::ascii_isalnum(c) || c == '\'' ? c : ' ';
      for (const auto word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
        ++counts[std::string(word)];
      }
    }
  }
  EXPECT_LE(counts.size(), WordnetDemoOptions().vocabulary_words);
  std::vector<int> occurrences;
  for (const auto& [word, count] : counts) occurrences.push_back(count);
  std::ranges::nth_element(occurrences,
                           occurrences.begin() + occurrences.size() / 2);
  EXPECT_GE(occurrences[occurrences.size() / 2], 10);
}

TEST_F(RealWordnetTest, IsTheSameEachTime) {
  const auto again = BuildWordnetDemo(kWordnetFolder, {});
  ASSERT_TRUE(again.ok());
  ASSERT_EQ(again->train.size(), demo_.train.size());
  EXPECT_TRUE(std::equal(
      demo_.train.begin(), demo_.train.end(), again->train.begin(),
      [](const auto& a, const auto& b) { return a.prompt == b.prompt; }));
}

}  // namespace
}  // namespace operant
