// BuildExperience with engines whose log-probs and values are dictated: each
// token's log-prob is -0.1 * token for the policy and -0.2 * token for the
// reference, and V before position p is p.
#include "learner/experience_builder.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/learner/scripted_model.h"

namespace operant::learner {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::FloatNear;
using testing::Pointwise;
using Outcome = ItemScore::Outcome;

constexpr float kTolerance = 1e-6f;  // fp32, numbers near 1
constexpr int kContext = 16;         // ScriptedModel's

v1::Trajectory Sampled(const std::string& id, std::vector<int32_t> response,
                       v1::FinishReason finish = v1::FINISH_REASON_STOP) {
  v1::Trajectory t;
  t.set_id(id);
  t.set_group_id("group");
  t.add_prompt_token_ids(9);
  t.add_prompt_token_ids(9);
  for (const int32_t token : response) {
    t.add_response_token_ids(token);
    t.add_response_logprobs(-0.1f * static_cast<float>(token));
  }
  t.set_finish(finish);
  v1::VersionSpan* span = t.add_versions();
  span->set_policy_version(4);
  span->set_tokens(response.size());
  return t;
}

ItemScore Scored(double score) {
  ItemScore item;
  item.outcome = Outcome::kScored;
  item.score = score;
  return item;
}

class BuildExperienceTest : public testing::Test {
 protected:
  BuildExperienceTest() {
    ppo_.set_score_clip(5);
    ppo_.set_gamma(1);
    ppo_.set_lambda(1);
    ppo_.set_importance_cap(2);
    ppo_.set_truncated("terminal");
    ppo_.set_no_whitening(true);
  }

  void Add(v1::Trajectory trajectory, ItemScore score) {
    trajectories_.push_back(std::move(trajectory));
    scores_.push_back(std::move(score));
  }

  absl::StatusOr<BuiltExperience> Build() {
    return BuildExperience({.trajectories = trajectories_,
                            .scores = scores_,
                            .policy = &policy_,
                            .reference = &reference_,
                            .policy_version = 5,
                            .kl_coefficient = 1,
                            .temperature = 0.7,
                            .ppo = &ppo_});
  }

  ScriptedModel policy_{[](std::span<const int32_t> tokens, int32_t p) {
    return TokenScore{.logprob = -0.1f * static_cast<float>(tokens[p]),
                      .entropy = 1.5f,
                      .value = static_cast<float>(p)};
  }};
  ScriptedModel reference_{[](std::span<const int32_t> tokens, int32_t p) {
    return TokenScore{.logprob = -0.2f * static_cast<float>(tokens[p])};
  }};
  v1::PpoSection ppo_;
  std::vector<v1::Trajectory> trajectories_;
  std::vector<ItemScore> scores_;
};

TEST_F(BuildExperienceTest, RewardIsTheScoreAtTheEndLessKlPerToken) {
  Add(Sampled("a", {1, 2, 3}), Scored(4));
  const auto built = Build();
  ASSERT_TRUE(built.ok()) << built.status();
  const Experience& e = built->experience;
  // log pi - log pi_ref = 0.1 * token.
  EXPECT_THAT(e.rewards,
              Pointwise(FloatNear(kTolerance), {-0.1f, -0.2f, 3.7f}));
  EXPECT_THAT(e.values, ElementsAre(2, 3, 4));
  // gamma = lambda = 1: returns are sums of rewards to the end.
  EXPECT_THAT(e.returns, Pointwise(FloatNear(kTolerance), {3.4f, 3.5f, 3.7f}));
  EXPECT_THAT(e.advantages,
              Pointwise(FloatNear(kTolerance), {1.4f, 0.5f, -0.3f}));
  EXPECT_NEAR(built->stats.reference_kl_per_response, 0.6, kTolerance);
  EXPECT_NEAR(built->stats.reward_per_response, 3.4, kTolerance);
}

TEST_F(BuildExperienceTest, BothEnginesScoreAtTheSamplersTemperature) {
  Add(Sampled("a", {1}), Scored(1));
  ASSERT_TRUE(Build().ok());
  EXPECT_FLOAT_EQ(policy_.last_temperature, 0.7f);
  EXPECT_FLOAT_EQ(reference_.last_temperature, 0.7f);
}

TEST_F(BuildExperienceTest, ScoreIsCutAndStatisticsKeepItUncut) {
  Add(Sampled("a", {0}), Scored(50));
  Add(Sampled("b", {0}), Scored(-50));
  const auto built = Build();
  ASSERT_TRUE(built.ok()) << built.status();
  EXPECT_THAT(built->experience.rewards, ElementsAre(5, -5));
  EXPECT_EQ(built->stats.score.deviation, 50);
  EXPECT_EQ(built->stats.clipped_scores, 1);
}

TEST_F(BuildExperienceTest, TokenRewardLandsOnTheLastTokenOfItsRange) {
  ItemScore score = Scored(1);
  v1::TokenReward reward;
  reward.set_begin(0);
  reward.set_end(2);
  reward.set_value(0.5f);
  score.token_rewards.push_back(reward);
  Add(Sampled("a", {0, 0, 0}), score);
  const auto built = Build();
  ASSERT_TRUE(built.ok()) << built.status();
  EXPECT_THAT(built->experience.rewards, ElementsAre(0, 0.5f, 1));
}

TEST_F(BuildExperienceTest, IgnoredAndDroppedResponsesAreNotTrainedOn) {
  Add(Sampled("a", {1, 1}), {.outcome = Outcome::kIgnored});
  Add(Sampled("b", {2}), {.outcome = Outcome::kDropped});
  Add(Sampled("c", {3}),
      {.outcome = Outcome::kReplaced, .score = -1, .components = {{"x", 2}}});
  const auto built = Build();
  ASSERT_TRUE(built.ok()) << built.status();
  const Experience& e = built->experience;
  EXPECT_THAT(e.trained, ElementsAre(0, 0, 1));
  EXPECT_EQ(e.trained_tokens(), 1);
  EXPECT_THAT(e.Row(e.rewards, 0), Each(0));
  EXPECT_THAT(e.Row(e.returns, 1), Each(0));
  EXPECT_EQ(built->stats.ignored, 1);
  EXPECT_EQ(built->stats.dropped, 1);
  EXPECT_EQ(built->stats.replaced, 1);
  EXPECT_EQ(built->stats.score.mean, -1);
  EXPECT_EQ(built->stats.components.at("x"), 2);
}

TEST_F(BuildExperienceTest, TruncatedIsTerminalByDefault) {
  Add(Sampled("a", {0, 0}, v1::FINISH_REASON_LENGTH), Scored(1));
  const auto built = Build();
  ASSERT_TRUE(built.ok()) << built.status();
  EXPECT_THAT(built->experience.returns, ElementsAre(1, 1));
  EXPECT_EQ(built->stats.truncated, 1);
}

TEST_F(BuildExperienceTest, BootstrapAddsTheValueOfTheStateAfterTheCut) {
  ppo_.set_truncated("bootstrap");
  Add(Sampled("cut", {0, 0}, v1::FINISH_REASON_LENGTH), Scored(1));
  Add(Sampled("ended", {0, 0}), Scored(1));
  // Fills the context: there is no state after it.
  Add(Sampled("full", std::vector<int32_t>(kContext - 2, 0),
              v1::FINISH_REASON_LENGTH),
      Scored(1));
  const auto built = Build();
  ASSERT_TRUE(built.ok()) << built.status();
  const Experience& e = built->experience;
  // Two prompt and two response tokens: the state after them is at position 4.
  EXPECT_THAT(e.Row(e.returns, 0), ElementsAre(5, 5));
  EXPECT_THAT(e.Row(e.returns, 1), ElementsAre(1, 1));
  EXPECT_THAT(e.Row(e.returns, 2), Each(1));
  EXPECT_EQ(e.values.size(), e.tokens.size());
}

TEST_F(BuildExperienceTest, MaskLeavesTruncatedResponsesOut) {
  ppo_.set_truncated("mask");
  Add(Sampled("a", {0, 0}, v1::FINISH_REASON_LENGTH), Scored(1));
  Add(Sampled("b", {0}), Scored(1));
  const auto built = Build();
  ASSERT_TRUE(built.ok()) << built.status();
  EXPECT_THAT(built->experience.trained, ElementsAre(0, 1));
}

TEST_F(BuildExperienceTest, WhitensTheWholeStepButNotTheReturns) {
  ppo_.set_no_whitening(false);
  Add(Sampled("a", {0, 0}), Scored(3));
  Add(Sampled("b", {0}), Scored(-1));
  Add(Sampled("c", {0}), {.outcome = Outcome::kIgnored});
  const auto built = Build();
  ASSERT_TRUE(built.ok()) << built.status();
  const Experience& e = built->experience;
  EXPECT_THAT(e.returns, ElementsAre(3, 3, -1, 0));
  // Raw advantages 1, 0, -3: mean -2/3, sample variance 13/3.
  const double sd = std::sqrt(13.0 / 3);
  EXPECT_NEAR(e.advantages[0], (1 + 2.0 / 3) / sd, kTolerance);
  EXPECT_NEAR(e.advantages[2], (-3 + 2.0 / 3) / sd, kTolerance);
  EXPECT_EQ(e.advantages[3], 0);
  EXPECT_NEAR(built->stats.advantage.mean, -2.0 / 3, kTolerance);
}

TEST_F(BuildExperienceTest, StalenessCountsFromTheOldestVersion) {
  v1::Trajectory t = Sampled("a", {1, 1});
  t.mutable_versions(0)->set_tokens(1);
  v1::VersionSpan* second = t.add_versions();
  second->set_policy_version(5);
  second->set_tokens(1);
  Add(t, Scored(1));
  const auto built = Build();
  ASSERT_TRUE(built.ok()) << built.status();
  EXPECT_THAT(built->experience.staleness, ElementsAre(1));
}

TEST_F(BuildExperienceTest, SamplerGapIsMeasuredPerToken) {
  v1::Trajectory t = Sampled("a", {1, 1});
  t.set_response_logprobs(0, -0.1f);  // as the trainer has it
  t.set_response_logprobs(1, -1.1f);  // 1 nat below: ratio e, above the cap
  Add(t, Scored(1));
  const auto built = Build();
  ASSERT_TRUE(built.ok()) << built.status();
  EXPECT_NEAR(built->stats.sampler_gap_mean, 0.5, kTolerance);
  EXPECT_NEAR(built->stats.sampler_gap_max, 1, kTolerance);
  EXPECT_NEAR(built->stats.sampler_kl_per_token, -0.5, kTolerance);
  EXPECT_EQ(built->stats.importance_truncated, 0.5);
}

TEST_F(BuildExperienceTest, CountsGroupsWhoseScoresDoNotVary) {
  Add(Sampled("a", {1}), Scored(1));
  Add(Sampled("b", {1}), Scored(1));
  Add(Sampled("c", {1}), Scored(0));
  Add(Sampled("d", {1}), Scored(1));
  trajectories_[2].set_group_id("other");
  trajectories_[3].set_group_id("other");
  const auto built = Build();
  ASSERT_TRUE(built.ok()) << built.status();
  EXPECT_EQ(built->stats.groups, 2);
  EXPECT_EQ(built->stats.zero_variance_groups, 1);
}

TEST_F(BuildExperienceTest, NothingLeftToTrainOnIsAPrecondition) {
  Add(Sampled("a", {1}), {.outcome = Outcome::kIgnored});
  EXPECT_EQ(Build().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(BuildExperienceTest, NumbersThatAreNotFiniteSkipTheStep) {
  Add(Sampled("a", {1}), Scored(1));
  policy_ = ScriptedModel([](std::span<const int32_t>, int32_t) {
    return TokenScore{.logprob = std::numeric_limits<float>::quiet_NaN()};
  });
  EXPECT_EQ(Build().status().code(), absl::StatusCode::kOutOfRange);
}

TEST_F(BuildExperienceTest, ALogprobAboveZeroIsABug) {
  Add(Sampled("a", {1}), Scored(1));
  reference_ = ScriptedModel([](std::span<const int32_t>, int32_t) {
    return TokenScore{.logprob = 0.01f};
  });
  EXPECT_EQ(Build().status().code(), absl::StatusCode::kInternal);
}

TEST_F(BuildExperienceTest, RefusesWhatDoesNotFitTogether) {
  const auto code_after = [&](auto change) {
    trajectories_ = {Sampled("a", {1, 2})};
    scores_ = {Scored(1)};
    change();
    return Build().status().code();
  };
  const auto refused = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(code_after([&] { scores_.clear(); }), refused);
  EXPECT_EQ(code_after([&] { trajectories_[0].add_response_logprobs(-1); }),
            refused);
  EXPECT_EQ(code_after([&] { trajectories_[0].clear_prompt_token_ids(); }),
            refused);
  EXPECT_EQ(code_after([&] {
              trajectories_[0].set_finish(v1::FINISH_REASON_ABORTED);
            }),
            refused);
  EXPECT_EQ(code_after([&] {
              trajectories_[0].mutable_versions(0)->set_policy_version(6);
            }),
            refused);
  EXPECT_EQ(code_after([&] { scores_[0].score = std::nan(""); }), refused);
  EXPECT_EQ(code_after([&] {
              v1::TokenReward outside;
              outside.set_end(3);
              scores_[0].token_rewards.push_back(outside);
            }),
            refused);
}

}  // namespace
}  // namespace operant::learner
