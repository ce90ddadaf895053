#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/nn/cpu_kernels.h"
#include "common/nn/inference_engines.h"
#include "gtest/gtest.h"
#include "tests/common/nn/reference_decoder.h"

namespace operant {
namespace {

// fp32 against double over two layers of width 23: a few hundred roundings of
// 6e-8 on numbers of size about 10.
constexpr double kTolerance = 5e-5;

struct Case {
  const CpuKernels* kernels;
  ModelShape shape;
};

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const CpuKernels* kernels : AvailableCpuKernels()) {
    cases.push_back({kernels, {}});
    cases.push_back({kernels, {.heads = 3, .kv_heads = 3, .head_dim = 10}});
    cases.push_back({kernels, {.heads = 6, .kv_heads = 1, .biases = true}});
    cases.push_back({kernels, {.head_dim = 32, .tied = true}});
    cases.push_back({kernels, {.head_dim = 74, .biases = true, .tied = true}});
  }
  return cases;
}

std::string CaseName(const testing::TestParamInfo<Case>& info) {
  const ModelShape& s = info.param.shape;
  return absl::StrCat(info.param.kernels->name, "_", s.heads, "over",
                      s.kv_heads, "x", s.head_dim, s.biases ? "_biased" : "",
                      s.tied ? "_tied" : "");
}

class InferenceCpuTest : public testing::TestWithParam<Case> {
 protected:
  InferenceCpuTest()
      : config_(OddModel(GetParam().shape)),
        weights_(RandomWeights(config_, 7)),
        engine_(MakeEngine({.slots = 8})) {}

  std::unique_ptr<InferenceModel> MakeEngine(
      const InferenceModel::Options& options) const {
    auto engine = CreateCpuInference(config_, options, *GetParam().kernels);
    EXPECT_TRUE(engine.ok()) << engine.status();
    auto packed = (*engine)->Pack(weights_);
    EXPECT_TRUE(packed.ok()) << packed.status();
    (*engine)->Use(*packed);
    return *std::move(engine);
  }

  std::vector<float> Forward(std::span<const SlotTokens> batch) {
    return Forward(*engine_, batch);
  }

  std::vector<float> Forward(InferenceModel& engine,
                             std::span<const SlotTokens> batch) const {
    std::vector<float> logits(batch.size() *
                              static_cast<size_t>(config_.vocab_size));
    const absl::Status status = engine.Forward(batch, logits);
    EXPECT_TRUE(status.ok()) << status;
    return logits;
  }

  std::span<const float> Row(const std::vector<float>& logits,
                             size_t row) const {
    const auto v = static_cast<size_t>(config_.vocab_size);
    return std::span(logits).subspan(row * v, v);
  }

  static void ExpectNear(std::span<const float> actual,
                         const std::vector<double>& expected) {
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(actual[i], expected[i], kTolerance) << "at " << i;
    }
  }

  static bool SameBits(std::span<const float> a, std::span<const float> b) {
    return a.size() == b.size() &&
           std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
  }

  const ModelConfig config_;
  const WeightImage weights_;
  const std::unique_ptr<InferenceModel> engine_;
};

TEST_P(InferenceCpuTest, PrefillEqualsTheReference) {
  const std::vector<int32_t> tokens = RandomTokens(config_, 41, 1);
  const ReferenceOutput expected = ReferenceForward(config_, weights_, tokens);
  for (const size_t length : {1u, 16u, 17u, 41u}) {
    const SlotTokens entry = {3, 0, std::span(tokens).first(length)};
    ExpectNear(Forward({&entry, 1}), expected.logits[length - 1]);
  }
}

TEST_P(InferenceCpuTest, DecodingTokenByTokenEqualsPrefillBitForBit) {
  const std::vector<int32_t> tokens = RandomTokens(config_, 40, 2);
  const std::span<const int32_t> all = tokens;
  for (int32_t p = 0; p < 40; ++p) {
    const SlotTokens step = {0, p, all.subspan(static_cast<size_t>(p), 1)};
    const std::vector<float> one = Forward({&step, 1});
    const SlotTokens prefix = {1, 0, all.first(static_cast<size_t>(p) + 1)};
    ASSERT_TRUE(SameBits(one, Forward({&prefix, 1}))) << "position " << p;
  }
}

TEST_P(InferenceCpuTest, ChunksOfAPromptDoNotShowInTheLogits) {
  const std::vector<int32_t> tokens = RandomTokens(config_, 300, 3);
  const std::span<const int32_t> all = tokens;
  const SlotTokens whole = {0, 0, all};
  const SlotTokens first = {1, 0, all.first(133)};
  const SlotTokens rest = {1, 133, all.subspan(133)};
  const std::vector<float> expected = Forward({&whole, 1});
  Forward({&first, 1});
  EXPECT_TRUE(SameBits(expected, Forward({&rest, 1})));
}

TEST_P(InferenceCpuTest, WhoSharesTheBatchDoesNotShowInTheLogits) {
  std::vector<std::vector<int32_t>> prompts;
  for (int i = 0; i < 8; ++i) {
    prompts.push_back(RandomTokens(config_, 1 + 29 * i, 100 + i));
  }
  std::vector<SlotTokens> batch;
  for (int i = 0; i < 8; ++i) {
    batch.push_back({7 - i, 0, prompts[static_cast<size_t>(i)]});
  }
  const std::vector<float> together = Forward(batch);
  for (size_t i = 0; i < 8; ++i) {
    const SlotTokens alone = {2, 0, prompts[i]};
    EXPECT_TRUE(SameBits(Row(together, i), Forward({&alone, 1}))) << i;
  }
}

TEST_P(InferenceCpuTest, ThreadsDoNotShowInTheLogits) {
  const auto two = MakeEngine({.slots = 8, .threads = 2});
  std::vector<std::vector<int32_t>> prompts;
  std::vector<SlotTokens> batch;
  for (int i = 0; i < 7; ++i) prompts.push_back(RandomTokens(config_, 9, i));
  for (int i = 0; i < 7; ++i) {
    batch.push_back({i, 0, prompts[static_cast<size_t>(i)]});
  }
  EXPECT_TRUE(SameBits(Forward(batch), Forward(*two, batch)));
}

TEST_P(InferenceCpuTest, ACopiedSlotContinuesLikeItsSource) {
  const std::vector<int32_t> prompt = RandomTokens(config_, 21, 4);
  const std::vector<int32_t> next = RandomTokens(config_, 1, 5);
  const SlotTokens entry = {0, 0, prompt};
  Forward({&entry, 1});
  engine_->CopySlot(0, 5, 21);
  const std::vector<SlotTokens> both = {{0, 21, next}, {5, 21, next}};
  const std::vector<float> logits = Forward(both);
  EXPECT_TRUE(SameBits(Row(logits, 0), Row(logits, 1)));
}

TEST_P(InferenceCpuTest, ScoresEqualTheReference) {
  const std::vector<int32_t> tokens = RandomTokens(config_, 37, 6);
  const float temperature = 0.7f;
  ValueHead head;
  for (int64_t i = 0; i < config_.hidden_size; ++i) {
    head.weight.push_back(0.1f * static_cast<float>(i % 5 - 2));
  }
  head.bias = 0.5f;
  const SequenceTokens sequence = {tokens, 4};
  std::vector<TokenScore> scores;
  ASSERT_TRUE(engine_->Score({&sequence, 1}, temperature, &head, scores).ok());
  ASSERT_EQ(scores.size(), 33u);
  const ReferenceOutput expected = ReferenceForward(config_, weights_, tokens);
  for (size_t t = 4; t < tokens.size(); ++t) {
    const TokenScore& score = scores[t - 4];
    const std::vector<double> logp =
        LogSoftmax(expected.logits[t - 1], temperature);
    double entropy = 0;
    for (const double l : logp) entropy -= std::exp(l) * l;
    double value = head.bias;
    for (size_t i = 0; i < head.weight.size(); ++i) {
      value += head.weight[i] * expected.hidden[t - 1][i];
    }
    ASSERT_NEAR(score.logprob, logp[static_cast<size_t>(tokens[t])],
                kTolerance);
    ASSERT_NEAR(score.entropy, entropy, kTolerance);
    ASSERT_NEAR(score.value, value, kTolerance);
  }
}

TEST_P(InferenceCpuTest, ScoringTogetherEqualsScoringAlone) {
  std::vector<std::vector<int32_t>> texts;
  for (int i = 0; i < 9; ++i) {
    texts.push_back(RandomTokens(config_, 1 + 47 * i, 200 + i));
  }
  std::vector<SequenceTokens> sequences;
  for (const auto& text : texts) sequences.push_back({text, 2});
  std::vector<TokenScore> together;
  ASSERT_TRUE(engine_->Score(sequences, 1, nullptr, together).ok());
  std::vector<TokenScore> alone;
  for (const SequenceTokens& sequence : sequences) {
    ASSERT_TRUE(engine_->Score({&sequence, 1}, 1, nullptr, alone).ok());
  }
  ASSERT_EQ(together.size(), alone.size());
  EXPECT_EQ(0, std::memcmp(together.data(), alone.data(),
                           alone.size() * sizeof(TokenScore)));
}

INSTANTIATE_TEST_SUITE_P(Kernels, InferenceCpuTest,
                         testing::ValuesIn(AllCases()), CaseName);

class InferenceErrorTest : public testing::Test {
 protected:
  InferenceErrorTest()
      : config_(OddModel({})),
        engine_(InferenceModel::Create(config_, {.slots = 2}).value()),
        logits_(static_cast<size_t>(config_.vocab_size)) {}

  void UseWeights() {
    engine_->Use(engine_->Pack(RandomWeights(config_, 1)).value());
  }
  absl::StatusCode Forward(SlotTokens entry) {
    return engine_->Forward({&entry, 1}, logits_).code();
  }

  const ModelConfig config_;
  const std::unique_ptr<InferenceModel> engine_;
  const std::vector<int32_t> tokens_ = {1, 2, 3};
  std::vector<float> logits_;
};

TEST_F(InferenceErrorTest, ForwardNeedsWeights) {
  EXPECT_EQ(Forward({0, 0, tokens_}), absl::StatusCode::kFailedPrecondition);
}

TEST_F(InferenceErrorTest, ForwardRefusesWhatDoesNotFit) {
  UseWeights();
  const std::vector<int32_t> outside = {61};
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(Forward({0, 0, tokens_}), absl::StatusCode::kOk);
  EXPECT_EQ(Forward({2, 0, tokens_}), kInvalid);
  EXPECT_EQ(Forward({0, 398, tokens_}), kInvalid);
  EXPECT_EQ(Forward({0, 0, outside}), kInvalid);
  EXPECT_EQ(Forward({0, 0, {}}), kInvalid);
}

TEST_F(InferenceErrorTest, ForwardRefusesASlotTwice) {
  UseWeights();
  const std::vector<SlotTokens> batch = {{0, 0, tokens_}, {0, 3, tokens_}};
  logits_.resize(2 * logits_.size());
  EXPECT_EQ(engine_->Forward(batch, logits_).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(InferenceErrorTest, ScoreRefusesTemperatureZero) {
  UseWeights();
  const SequenceTokens sequence = {tokens_, 1};
  std::vector<TokenScore> out;
  EXPECT_EQ(engine_->Score({&sequence, 1}, 0, nullptr, out).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(InferenceErrorTest, PackRefusesWeightsOfAnotherModel) {
  ModelConfig other = config_;
  other.intermediate_size += 1;
  EXPECT_EQ(engine_->Pack(RandomWeights(other, 1)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(InferenceErrorTest, CreateRefusesNoSlots) {
  EXPECT_EQ(InferenceModel::Create(config_, {.slots = 0}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(InferenceErrorTest, CachesBeyondTheMemoryAreAnError) {
  ModelConfig huge = config_;
  huge.max_position_embeddings = 1 << 22;
  huge.num_hidden_layers = 64;
  EXPECT_EQ(InferenceModel::Create(huge, {.slots = 1 << 20}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace operant
