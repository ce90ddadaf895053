#include "rollout/sampler.h"

#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "common/base/philox.h"
#include "gtest/gtest.h"

namespace operant::rollout {
namespace {

// log of 1/2, 1/4, 1/8, 1/8 plus any constant.
const std::vector<float> kLogits = {std::log(0.5f) + 3, std::log(0.25f) + 3,
                                    std::log(0.125f) + 3, std::log(0.125f) + 3};

SampledToken Sample(const std::vector<float>& logits, const Sampling& sampling,
                    float uniform) {
  Sampler sampler;
  const auto token = sampler.Sample(logits, sampling, uniform);
  EXPECT_TRUE(token.ok()) << token.status();
  return *token;
}

TEST(SamplerTest, DrawsByInverseCdfOverIdsInOrder) {
  const std::map<float, int32_t> expected = {
      {0.001f, 0}, {0.499f, 0}, {0.501f, 1},  {0.749f, 1},
      {0.751f, 2}, {0.874f, 2}, {0.8751f, 3}, {0.9999f, 3}};
  for (const auto& [uniform, id] : expected) {
    EXPECT_EQ(Sample(kLogits, {}, uniform).id, id) << uniform;
  }
}

TEST(SamplerTest, LogprobIsOfTheDistributionThatWasDrawnFrom) {
  EXPECT_NEAR(Sample(kLogits, {}, 0.6f).logprob, std::log(0.25), 1e-6);
  // T = 1/2 squares the probabilities: 1/4, 1/16, 1/64, 1/64 of 22/64.
  EXPECT_NEAR(Sample(kLogits, {.temperature = 0.5f}, 0.1f).logprob,
              std::log(16.0 / 22), 1e-6);
  EXPECT_NEAR(Sample(kLogits, {.top_k = 2}, 0.1f).logprob, std::log(2.0 / 3),
              1e-6);
  EXPECT_NEAR(Sample(kLogits, {.top_p = 0.5f}, 0.9f).logprob, 0, 1e-6);
}

TEST(SamplerTest, TopKKeepsTheLowestIdOfATie) {
  EXPECT_EQ(Sample(kLogits, {.top_k = 3}, 0.9999f).id, 2);
}

TEST(SamplerTest, TopPKeepsTheTokenThatCrossesTheThreshold) {
  EXPECT_EQ(Sample(kLogits, {.top_p = 0.6f}, 0.9999f).id, 1);
}

TEST(SamplerTest, TopPCountsWithinWhatTopKLeft) {
  // Of {2/3, 1/3} the first alone holds 0.6.
  EXPECT_EQ(Sample(kLogits, {.top_p = 0.6f, .top_k = 2}, 0.9999f).id, 0);
}

TEST(SamplerTest, GreedyTakesTheLowestIdOfATie) {
  const std::vector<float> logits = {1, 5, 2, 5};
  const SampledToken token = Sample(logits, {.temperature = 0}, 0.9f);
  EXPECT_EQ(token.id, 1);
  const double sum = std::exp(-4.0) + 1 + std::exp(-3.0) + 1;
  EXPECT_NEAR(token.logprob, -std::log(sum), 1e-6);
}

TEST(SamplerTest, FrequenciesFollowTheDistributionOverALargeVocabulary) {
  constexpr int kDraws = 20000;
  std::vector<float> logits(1000, std::log(0.5f / 999));
  logits[777] = std::log(0.5f);
  Sampler sampler;
  int hits = 0;
  for (uint32_t i = 0; i < kDraws; ++i) {
    const float u = SampleUniform({1, 2, 3}, i);
    hits += sampler.Sample(logits, {}, u)->id == 777 ? 1 : 0;
  }
  // Five standard deviations of a fair coin.
  EXPECT_NEAR(hits, kDraws / 2, 5 * std::sqrt(kDraws) / 2);
}

TEST(SamplerTest, AUniformAtEitherEndGivesAToken) {
  std::vector<float> logits(130, -200.0f);
  logits[64] = 0;
  for (const float uniform :
       {0.5f / (1 << 24), std::nextafter(1.0f, 0.0f), 1.0f}) {
    EXPECT_EQ(Sample(logits, {}, uniform).id, 64) << uniform;
    EXPECT_EQ(Sample(logits, {.top_k = 100}, uniform).id, 64) << uniform;
  }
}

TEST(SamplerTest, LogprobIsNeverAboveZero) {
  std::vector<float> logits(64, -1000.0f);
  logits[3] = 1000;
  EXPECT_EQ(Sample(logits, {}, 0.5f).logprob, 0);
}

TEST(SamplerTest, ALogitThatIsNotFiniteIsAnError) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float bad : {std::nanf(""), kInfinity, -kInfinity}) {
    for (const float temperature : {0.0f, 1.0f}) {
      for (size_t at : {0u, 9u, 69u}) {
        std::vector<float> logits(70, 0.5f);
        logits[at] = bad;
        Sampler sampler;
        const auto token =
            sampler.Sample(logits, {.temperature = temperature}, 0.5f);
        EXPECT_EQ(token.status().code(), absl::StatusCode::kDataLoss) << bad;
      }
    }
  }
}

TEST(ValidateSamplingTest, NamesWhatIsOutOfRange) {
  EXPECT_TRUE(ValidateSampling({}, 10).ok());
  EXPECT_TRUE(ValidateSampling({.temperature = 0}, 10).ok());
  const std::map<std::string, Sampling> faults = {
      {"temperature", {.temperature = -1}},
      {"top_p", {.top_p = 0}},
      {"top_k", {.top_k = -1}},
      {"max_response_tokens", {.max_response_tokens = 0}},
      {"stop_token_id", {.stop_token_ids = {10}}}};
  for (const auto& [field, sampling] : faults) {
    const absl::Status status = ValidateSampling(sampling, 10);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(std::string(status.message()).find(field), std::string::npos);
  }
}

}  // namespace
}  // namespace operant::rollout
