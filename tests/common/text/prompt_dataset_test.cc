#include "common/text/prompt_dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/base/file_io.h"
#include "tests/common/text/byte_level_json.h"

namespace operant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Rows = absl::StatusOr<std::vector<PromptRow>>;
using Overlong = DatasetOptions::Overlong;

class PromptDatasetTest : public testing::Test {
 protected:
  PromptDatasetTest()
      : path_(JoinPath(
            testing::TempDir(),
            std::string("dataset_") +
                testing::UnitTest::GetInstance()->current_test_info()->name() +
                ".jsonl")),
        tokenizer_(*Tokenizer::Parse(ByteLevelJson({{"a", "b"}}).dump())) {}

  Rows Load(const std::string& contents, const DatasetOptions& options = {}) {
    EXPECT_TRUE(WriteFileAtomically(path_, contents).ok());
    return LoadDataset(path_, tokenizer_.get(), options);
  }

  const std::string path_;
  const std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(PromptDatasetTest, EncodesTextAndKeepsTheOtherColumns) {
  const Rows rows =
      Load(R"({"prompt": "ab", "response": "a", "ground_truth": 42, )"
           R"("data_source": "sums", "metadata": {"x": 1}, "level": "hard"})",
           {.response_suffix_id = 257});
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_THAT(*rows, SizeIs(1));
  const PromptRow& row = rows->front();
  EXPECT_THAT(row.prompt_token_ids, ElementsAre(256));
  EXPECT_THAT(row.response_token_ids, ElementsAre('a', 257));
  EXPECT_EQ(row.ground_truth, "42");
  EXPECT_EQ(row.data_source, "sums");
  EXPECT_EQ(nlohmann::json::parse(row.metadata_json),
            nlohmann::json({{"x", 1}, {"level", "hard"}}));
  EXPECT_EQ(row.line, 1);
}

TEST_F(PromptDatasetTest, TakesIdsAsTheyAre) {
  ASSERT_TRUE(
      WriteFileAtomically(
          path_, R"({"prompt_token_ids":[1,2],"response_token_ids":[3]})")
          .ok());
  const Rows rows = LoadDataset(path_, nullptr, {.response_suffix_id = 9});
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(rows->front().prompt_token_ids, ElementsAre(1, 2));
  EXPECT_THAT(rows->front().response_token_ids, ElementsAre(3));
  EXPECT_EQ(rows->front().metadata_json, "");
}

TEST_F(PromptDatasetTest, SpecialTokensInTextAreTokensUnlessPlain) {
  const std::string row = R"({"prompt":"<eos>"})";
  EXPECT_THAT(Load(row)->front().prompt_token_ids, ElementsAre(257));
  EXPECT_THAT(Load(row, {.plain_text = true})->front().prompt_token_ids,
              SizeIs(5));
}

TEST_F(PromptDatasetTest, BadRowsAreDataLossWithTheirPlace) {
  const std::string good = R"({"prompt":"a"})"
                           "\n";
  struct Case {
    std::string row;
    const char* named;
  };
  const std::string deep = R"({"prompt":"a","x":)" + std::string(70, '[') +
                           std::string(70, ']') + "}";
  for (const Case& c : std::vector<Case>{
           {"{", "JSON"},
           {"", "JSON"},
           {"[1]", "object"},
           {R"({"prompt":""})", "prompt"},
           {R"({})", "prompt"},
           {R"({"prompt":3})", "prompt"},
           {R"({"prompt":"a","response":[]})", "response"},
           {R"({"prompt_token_ids":[-1]})", "prompt_token_ids"},
           {R"({"prompt_token_ids":[1.5]})", "prompt_token_ids"},
           {R"({"prompt_token_ids":[5000]})", "prompt_token_ids"},
           {R"({"prompt":"a","ground_truth":{}})", "ground_truth"},
           {R"({"prompt":"a","metadata":"x"})", "metadata"},
           {R"({"prompt":"a","metadata":{"x":1},"x":2})", "x"},
           {R"({"prompt":"\ud800"})", "JSON"},
           {"{\"prompt\":\"\xff\"}", "UTF-8"},
           {deep, "deep"}}) {
    const Rows rows = Load(good + c.row + "\n" + good);
    EXPECT_EQ(rows.status().code(), absl::StatusCode::kDataLoss) << c.row;
    EXPECT_THAT(std::string(rows.status().message()), HasSubstr(path_ + ":2"));
    EXPECT_THAT(std::string(rows.status().message()), HasSubstr(c.named));
  }
}

TEST_F(PromptDatasetTest, ChatMessagesAreRefused) {
  for (const char* row :
       {R"({"messages":[]})", R"({"prompt":[{"role":"u"}]})"}) {
    EXPECT_EQ(Load(row).status().code(), absl::StatusCode::kUnimplemented);
  }
}

TEST_F(PromptDatasetTest, AFileNeedsRowsAndMustExist) {
  EXPECT_EQ(Load("").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(LoadDataset(path_ + ".missing", nullptr, {}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(PromptDatasetTest, AResponseIsNeededOnlyIfAskedFor) {
  EXPECT_TRUE(Load(R"({"prompt":"a"})").ok());
  EXPECT_EQ(Load(R"({"prompt":"a"})", {.need_response = true}).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(PromptDatasetTest, AVeryLongLineIsDataLoss) {
  const std::string row =
      R"({"prompt":")" + std::string((16 << 20) + 1, 'a') + "\"}";
  EXPECT_EQ(Load(row).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(PromptDatasetTest, OverlongPromptsAreCountedWithTheWorstLines) {
  std::string contents;
  for (const int length : {1, 5, 3, 4, 6}) {
    contents += R"({"prompt":")" + std::string(length, 'x') + "\"}\n";
  }
  const Rows rows = Load(contents, {.max_prompt_tokens = 2});
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(rows.status().message()),
              testing::ContainsRegex("rows=4.*:5 \\(6.*:2 \\(5.*:4 \\(4"));
}

TEST_F(PromptDatasetTest, OverlongPromptsAreDroppedOrCut) {
  const std::string contents = R"({"prompt":"x"})"
                               "\n"
                               R"({"prompt":"xyz"})";
  DatasetOptions options{.max_prompt_tokens = 2};
  options.overlong = Overlong::kDrop;
  EXPECT_THAT(*Load(contents, options), SizeIs(1));
  options.overlong = Overlong::kCutLeft;
  EXPECT_THAT(Load(contents, options)->back().prompt_token_ids,
              ElementsAre('y', 'z'));
  options.overlong = Overlong::kCutRight;
  EXPECT_THAT(Load(contents, options)->back().prompt_token_ids,
              ElementsAre('x', 'y'));
  EXPECT_THAT(Load(contents, options)->front().response_token_ids, IsEmpty());
}

}  // namespace
}  // namespace operant
