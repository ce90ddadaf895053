#include "learner/ppo_update.h"

#include <torch/torch.h>

#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/learner/tiny_learner.h"

namespace operant::learner {
namespace {

constexpr int64_t kVocabulary = 11;
constexpr int kResponses = 12;
// fp32 sums in another order: numbers near 1 with up to a hundred terms.
constexpr double kReordering = 1e-5;

// Responses of 1 to 4 tokens after prompts of 1 to 3, scores of both signs.
Experience SomeExperience(TinyLearner& learner) {
  std::vector<v1::Trajectory> trajectories;
  std::vector<double> scores;
  for (int i = 0; i < kResponses; ++i) {
    const std::vector<int32_t> prompt(1 + i % 3, 1 + i % 5);
    std::vector<int32_t> response;
    for (int t = 0; t <= i % 4; ++t) response.push_back((7 * i + 3 * t) % 11);
    trajectories.push_back(
        MakeTrajectory(std::to_string(i), prompt, response,
                       learner.Logprobs(prompt, {response})[0]));
    scores.push_back(i % 3 - 1);
  }
  return learner.Build(trajectories, scores).value().experience;
}

at::Tensor Parameters(TinyLearner& learner) {
  return learner.flat_parameters().clone();
}

// Parameters after one update from the same start.
at::Tensor After(const v1::PpoSection& ppo, const UpdateOptions& options) {
  TinyLearner learner(kVocabulary, ppo, /*seed=*/3);
  const Experience e = SomeExperience(learner);
  EXPECT_TRUE(learner.Update(e, options).ok());
  return Parameters(learner);
}

double Distance(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// Adam's first step is the sign of the gradient times the learning rate, which
// would turn a rounding of a zero gradient into a whole step. A large epsilon
// makes the step the gradient itself, over epsilon.
v1::PpoSection NearGradientDescent() {
  v1::PpoSection ppo = TinyPpoSection();
  ppo.set_adam_epsilon(1);
  ppo.set_learning_rate(1);
  ppo.set_value_learning_rate(1);
  return ppo;
}

TEST(PpoUpdateTest, RatioIsOneBeforeTheFirstStep) {
  TinyLearner learner(kVocabulary, TinyPpoSection(), 3);
  const auto stats = learner.Update(SomeExperience(learner), {});
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_LE(stats->initial_ratio_deviation, 1e-4);
  EXPECT_EQ(stats->clip_low, 0);
  EXPECT_EQ(stats->clip_high, 0);
  EXPECT_NEAR(stats->update_kl_k3, 0, 1e-6);
  EXPECT_EQ(stats->optimizer_steps, 1);
  EXPECT_EQ(stats->kept_responses, kResponses);
  EXPECT_GT(stats->gradient_norm, 0);
}

// Scored and trained in other passes: where an fp32 sum rounds otherwise, a
// bf16 operand may move by a unit in its last place.
TEST(PpoUpdateTest, InBf16TheRatioIsOneBeforeTheFirstStepToItsRounding) {
  v1::PpoSection ppo = TinyPpoSection();
  ppo.set_ratio_tolerance(0.05);
  TinyLearner learner(kVocabulary, ppo, 3, /*collective=*/nullptr,
                      SharedOptimizer::State::kWhole, ComputeType::kBf16);
  const auto stats =
      learner.Update(SomeExperience(learner), {.microbatch_tokens = 14});
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_LE(stats->initial_ratio_deviation, 0.01);
  EXPECT_EQ(stats->optimizer_steps, 1);
}

TEST(PpoUpdateTest, MicroBatchingChangesNoGradient) {
  const v1::PpoSection ppo = NearGradientDescent();
  const at::Tensor whole = After(ppo, {.microbatch_tokens = 1000});
  EXPECT_LE(Distance(whole, After(ppo, {.microbatch_tokens = 14})),
            kReordering);
  EXPECT_LE(Distance(whole, After(ppo, {.microbatch_tokens = 1})), kReordering);
}

TEST(PpoUpdateTest, SameSeedSameResultAndAnotherSeedAnother) {
  const UpdateOptions options = {.minibatch_samples = 4, .seed = 5};
  const at::Tensor first = After(TinyPpoSection(), options);
  EXPECT_EQ(Distance(first, After(TinyPpoSection(), options)), 0);
  EXPECT_GT(Distance(first, After(TinyPpoSection(),
                                  {.minibatch_samples = 4, .seed = 6})),
            0);
}

TEST(PpoUpdateTest, EpochsTimesMinibatchesAreTheOptimiserSteps) {
  v1::PpoSection ppo = TinyPpoSection();
  ppo.set_epochs(2);
  TinyLearner learner(kVocabulary, ppo, 3);
  const auto stats =
      learner.Update(SomeExperience(learner), {.minibatch_samples = 5});
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_EQ(stats->optimizer_steps, 2 * 3);
}

TEST(PpoUpdateTest, RefusesOldLogprobsOfOtherWeightsAndChangesNothing) {
  TinyLearner learner(kVocabulary, TinyPpoSection(), 3);
  Experience e = SomeExperience(learner);
  e.old_logp[2] -= 0.01f;
  const at::Tensor before = Parameters(learner);
  EXPECT_EQ(learner.Update(e, {}).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Distance(before, Parameters(learner)), 0);
}

TEST(PpoUpdateTest, SkipsAndCountsAStepThatIsNotFinite) {
  TinyLearner learner(kVocabulary, TinyPpoSection(), 3);
  Experience e = SomeExperience(learner);
  e.advantages[0] = std::numeric_limits<float>::infinity();
  const at::Tensor before = Parameters(learner);
  const auto stats = learner.Update(e, {});
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_EQ(stats->skipped_steps, 1);
  EXPECT_EQ(stats->optimizer_steps, 0);
  EXPECT_EQ(Distance(before, Parameters(learner)), 0);
}

TEST(PpoUpdateTest, AResponseThatIsNotTrainedOnChangesNothing) {
  TinyLearner with(kVocabulary, NearGradientDescent(), 3);
  Experience e = SomeExperience(with);
  e.trained[4] = 0;
  ASSERT_TRUE(with.Update(e, {}).ok());
  TinyLearner altered(kVocabulary, NearGradientDescent(), 3);
  for (int64_t n = e.response_begin[4]; n < e.response_begin[5]; ++n) {
    e.advantages[n] = 1000;
  }
  ASSERT_TRUE(altered.Update(e, {}).ok());
  EXPECT_EQ(Distance(Parameters(with), Parameters(altered)), 0);
}

// Losses are weighted means: only the weights' proportions count.
TEST(PpoUpdateTest, DoublingEveryWeightChangesNothing) {
  TinyLearner once(kVocabulary, NearGradientDescent(), 3);
  Experience e = SomeExperience(once);
  const at::Tensor start = Parameters(once);
  ASSERT_TRUE(once.Update(e, {}).ok());
  TinyLearner twice(kVocabulary, NearGradientDescent(), 3);
  for (float& weight : e.weights) weight *= 2;
  ASSERT_TRUE(twice.Update(e, {}).ok());
  // fp32 rounding of one step.
  EXPECT_LE(Distance(Parameters(once), Parameters(twice)),
            1e-5 * Distance(start, Parameters(once)));
}

TEST(PpoUpdateTest, AWeightOfZeroIsAsIfTheResponseWereNotThere) {
  TinyLearner with(kVocabulary, NearGradientDescent(), 3);
  Experience e = SomeExperience(with);
  e.weights[4] = 0;
  ASSERT_TRUE(with.Update(e, {}).ok());
  TinyLearner without(kVocabulary, NearGradientDescent(), 3);
  e.trained[4] = 0;
  ASSERT_TRUE(without.Update(e, {}).ok());
  EXPECT_LE(Distance(Parameters(with), Parameters(without)), 1e-6);
}

}  // namespace
}  // namespace operant::learner
