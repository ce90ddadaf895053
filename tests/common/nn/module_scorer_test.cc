#include "common/nn/module_scorer.h"

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "tests/common/nn/small_causal_lm.h"

namespace operant {
namespace {

constexpr float kTemperature = 0.9F;

const std::vector<std::vector<int32_t>> kTokens = {
    {1, 2, 3, 4, 9, 8}, {5, 6}, {30, 31, 32, 33}, {7, 7, 7}};
constexpr int32_t kFirstScored[] = {2, 1, 3, 1};

std::vector<SequenceTokens> Sequences() {
  std::vector<SequenceTokens> sequences;
  for (size_t i = 0; i < kTokens.size(); ++i) {
    sequences.push_back({kTokens[i], kFirstScored[i]});
  }
  return sequences;
}

ValueHead SomeHead() {
  ValueHead head{.bias = 0.5F};
  for (int i = 0; i < SmallModel().hidden_size; ++i) {
    head.weight.push_back(0.01F * static_cast<float>(i - 10));
  }
  return head;
}

std::vector<TokenScore> Scores(InferenceModel& model) {
  const ValueHead head = SomeHead();
  std::vector<TokenScore> scores;
  const absl::Status status =
      model.Score(Sequences(), kTemperature, &head, scores);
  EXPECT_TRUE(status.ok()) << status;
  return scores;
}

void ExpectClose(const std::vector<TokenScore>& actual,
                 const std::vector<TokenScore>& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    EXPECT_NEAR(actual[i].logprob, expected[i].logprob, tolerance) << i;
    EXPECT_NEAR(actual[i].entropy, expected[i].entropy, tolerance) << i;
    EXPECT_NEAR(actual[i].value, expected[i].value, tolerance) << i;
  }
}

TEST(ModuleScorerTest, InFp32ItAgreesWithTheEngine) {
  const auto module = RandomModel(SmallModel());
  ScaleMatrices(*module, 5);
  const auto engine =
      InferenceModel::Create(SmallModel(), {.slots = 1}).value();
  engine->Use(engine->Pack(module->Export()).value());
  ExpectClose(Scores(*CreateModuleScorer(module.get(), 1000)), Scores(*engine),
              1e-4);
}

TEST(ModuleScorerTest, PassesOfAnySizeGiveTheSameScores) {
  const auto module = RandomModel(SmallModel());
  const auto whole = Scores(*CreateModuleScorer(module.get(), 1000));
  for (const int64_t pass_tokens : {1, 7, 12}) {
    ExpectClose(Scores(*CreateModuleScorer(module.get(), pass_tokens)), whole,
                1e-5);
  }
}

// What bf16 needs: no difference between the scores and the training pass.
TEST(ModuleScorerTest, InBf16ItIsTheTrainingPassBitForBit) {
  const auto module =
      RandomModel(SmallModel(), 1, {.compute = ComputeType::kBf16});
  ScaleMatrices(*module, 5);
  const at::Tensor hidden = module->Hidden(Batch({{1, 2, 3, 4, 9}}));
  const at::Tensor targets =
      at::tensor({int64_t{2}, int64_t{3}, int64_t{4}, int64_t{9}, int64_t{8}});
  const at::Tensor trained =
      module->LogProbs(hidden, targets, kTemperature, true).first;
  std::vector<TokenScore> scores;
  const std::vector<SequenceTokens> sequence = {{kTokens[0], 1}};
  ASSERT_TRUE(CreateModuleScorer(module.get(), 1000)
                  ->Score(sequence, kTemperature, nullptr, scores)
                  .ok());
  ASSERT_EQ(scores.size(), 5u);
  for (int64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(scores[i].logprob, trained[i].item<float>()) << i;
    EXPECT_EQ(scores[i].value, 0);
  }
}

TEST(ModuleScorerTest, SeesTheModulesWeightsAsTheyAreNow) {
  const auto module = RandomModel(SmallModel());
  const auto scorer = CreateModuleScorer(module.get(), 1000);
  const auto before = Scores(*scorer);
  ScaleMatrices(*module, 3);
  EXPECT_NE(Scores(*scorer)[0].logprob, before[0].logprob);
}

TEST(ModuleScorerTest, RefusesWhatAnEngineRefuses) {
  const auto module = RandomModel(SmallModel());
  const auto scorer = CreateModuleScorer(module.get(), 1000);
  const std::vector<int32_t> tokens(40, 1);  // 32 positions
  const std::vector<SequenceTokens> sequence = {{tokens, 1}};
  std::vector<TokenScore> scores;
  EXPECT_EQ(scorer->Score(sequence, 1, nullptr, scores).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(scorer->Forward({}, {}).code(), absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace operant
