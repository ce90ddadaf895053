#include "rollout/offline_generation.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "tests/testing/tiny_weights.h"

namespace operant::rollout {
namespace {

std::unique_ptr<OfflineModel> MakeModel(int slots) {
  HfModel model;
  model.config = TinyModel();
  model.weights = TinyImage(5);
  return OfflineModel::FromModel(std::move(model), {.slots = slots}).value();
}

TEST(OfflineModelTest, ResponsesComeInThePromptsOrderWhateverTheSlots) {
  const std::vector<std::vector<int32_t>> prompts = {
      {1}, {2, 3}, {1}, {4, 5, 6, 7}, {8}};
  const Sampling sampling = {.max_response_tokens = 7, .stop_token_ids = {2}};
  const auto expected = MakeModel(8)->Generate(prompts, sampling, 11).value();
  const auto model = MakeModel(1);
  model->Generate({prompts.data(), 1}, sampling, 11).value();
  const auto actual = model->Generate(prompts, sampling, 11).value();
  ASSERT_EQ(actual.size(), prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_EQ(actual[i].token_ids, expected[i].token_ids);
    EXPECT_EQ(actual[i].logprobs, expected[i].logprobs);
    EXPECT_EQ(actual[i].finish, expected[i].finish);
  }
}

TEST(OfflineModelTest, ScoresOfAResponseAreItsLogprobs) {
  const auto model = MakeModel(2);
  const std::vector<std::vector<int32_t>> prompts = {{1, 2}, {3}};
  const auto responses =
      model->Generate(prompts, {.max_response_tokens = 9}, 3).value();
  std::vector<OfflineRow> rows;
  for (size_t i = 0; i < 2; ++i) {
    rows.push_back({prompts[i], responses[i].token_ids});
  }
  const auto scores = model->Score(rows, 1).value();
  ASSERT_EQ(scores.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    ASSERT_EQ(scores[i].size(), 9u);
    for (size_t t = 0; t < 9; ++t) {
      EXPECT_NEAR(scores[i][t].logprob, responses[i].logprobs[t], 2e-6);
    }
  }
}

TEST(OfflineModelTest, ARowThatDoesNotFitIsNamed) {
  const auto model = MakeModel(2);
  const std::vector<std::vector<int32_t>> prompts = {{1}, {99}};
  const absl::Status generated = model->Generate(prompts, {}, 1).status();
  EXPECT_EQ(generated.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(generated.message().substr(0, 6), "row 1:");
  const std::vector<OfflineRow> rows = {{{1}, {2}}, {{1}, {}}};
  const absl::Status scored = model->Score(rows, 1).status();
  EXPECT_EQ(scored.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(scored.message().substr(0, 6), "row 1:");
}

TEST(OfflineModelTest, AMissingFolderIsNotFound) {
  EXPECT_EQ(OfflineModel::Open("/nonexistent", {}).status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace operant::rollout
