// Many ranks are one learner: threads of this process, each with a model of its
// own, over Gloo.
#include <torch/torch.h>

#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/learner/tiny_learner.h"
#include "tests/testing/memory_rendezvous.h"

namespace operant::learner {
namespace {

using ::testing::HasSubstr;
using State = SharedOptimizer::State;

constexpr int64_t kVocabulary = 11;
constexpr int kResponses = 12;
// fp32 sums in another order: numbers near 1 with up to a hundred terms.
constexpr double kReordering = 1e-5;

// Responses of 1 to 4 tokens after prompts of 1 to 3, scores of both signs.
absl::StatusOr<BuiltExperience> Build(TinyLearner& learner) {
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
  return learner.Build(trajectories, scores);
}

// Runs `body` on each of `ranks` threads, all of one group.
void OnRanks(int ranks, const v1::PpoSection& ppo, State state,
             const std::function<void(TinyLearner&, Collective&)>& body) {
  testing_support::MemoryRendezvous rendezvous;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      auto collective = CreateCollective("auto", /*on_gpu=*/false,
                                         {.rank = rank,
                                          .size = ranks,
                                          .timeout = absl::Seconds(60),
                                          .rendezvous = &rendezvous,
                                          .group = "group"});
      ASSERT_TRUE(collective.ok()) << collective.status();
      TinyLearner learner(kVocabulary, ppo, /*seed=*/3, collective->get(),
                          state);
      body(learner, **collective);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Adam's first step is the sign of the gradient times the learning rate, which
// would turn a rounding of a zero gradient into a whole step. A large epsilon
// makes the step the gradient itself, over epsilon.
v1::PpoSection NearGradientDescent() {
  v1::PpoSection ppo = TinyPpoSection();
  ppo.set_no_whitening(false);
  ppo.set_adam_epsilon(1);
  ppo.set_learning_rate(1);
  ppo.set_value_learning_rate(1);
  return ppo;
}

struct Result {
  at::Tensor parameters;
  UpdateStats stats;
};

// What rank 0 has after `steps` updates; all ranks must have the same bits.
Result Train(int ranks, State state, const UpdateOptions& options,
             int steps = 1, double learning_rate = 1) {
  std::vector<Result> results(ranks);
  v1::PpoSection ppo = NearGradientDescent();
  ppo.set_learning_rate(learning_rate);
  ppo.set_value_learning_rate(learning_rate);
  OnRanks(ranks, ppo, state, [&](TinyLearner& learner, Collective& collective) {
    Result& result = results[collective.rank()];
    for (int step = 0; step < steps; ++step) {
      const auto built = Build(learner);
      ASSERT_TRUE(built.ok()) << built.status();
      const auto stats = learner.Update(built->experience, options);
      ASSERT_TRUE(stats.ok()) << stats.status();
      result.stats = *stats;
    }
    result.parameters = learner.flat_parameters().clone();
  });
  for (const Result& result : results)
    EXPECT_TRUE(at::equal(result.parameters, results[0].parameters));
  return results[0];
}

// The flat buffers end with different paddings.
double Distance(const at::Tensor& a, const at::Tensor& b) {
  const int64_t size = std::min(a.numel(), b.numel());
  return (a.narrow(0, 0, size) - b.narrow(0, 0, size))
      .abs()
      .max()
      .item<double>();
}

void ExpectSame(const UpdateStats& a, const UpdateStats& b) {
  EXPECT_EQ(a.optimizer_steps, b.optimizer_steps);
  EXPECT_EQ(a.kept_responses, b.kept_responses);
  for (const auto figure :
       {&UpdateStats::policy_loss, &UpdateStats::value_loss,
        &UpdateStats::entropy, &UpdateStats::clip_low, &UpdateStats::clip_high,
        &UpdateStats::update_kl_k1, &UpdateStats::update_kl_k2,
        &UpdateStats::update_kl_k3, &UpdateStats::gradient_norm}) {
    EXPECT_NEAR(a.*figure, b.*figure, kReordering);
  }
}

TEST(RankedUpdateTest, AnyNumberOfRanksTakesTheStepOfOne) {
  const Result one = Train(1, State::kWhole, {});
  for (const int ranks : {2, 4}) {
    for (const State state : {State::kWhole, State::kShared}) {
      for (const int64_t budget : {int64_t{7}, int64_t{8192}}) {
        SCOPED_TRACE(absl::StrCat(ranks, " ranks, passes of ", budget));
        const Result many = Train(ranks, state, {.microbatch_tokens = budget});
        EXPECT_LE(Distance(many.parameters, one.parameters), kReordering);
        ExpectSame(many.stats, one.stats);
      }
    }
  }
}

TEST(RankedUpdateTest, TwentyStepsOfMinibatchesEndWhereOneRanksDo) {
  const auto train = [](int ranks, State state) {
    return Train(ranks, state, {.minibatch_samples = 4}, /*steps=*/20,
                 /*learning_rate=*/0.1)
        .parameters;
  };
  const at::Tensor one = train(1, State::kWhole);
  for (const State state : {State::kWhole, State::kShared}) {
    const at::Tensor two = train(2, state);
    // Sixty optimiser steps, each with a rounding of its own.
    EXPECT_LE(Distance(two, one), 60 * kReordering);
    EXPECT_TRUE(at::equal(train(2, state), two));
  }
}

TEST(RankedUpdateTest, ExperienceIsThatOfOneRank) {
  Experience one;
  OnRanks(1, TinyPpoSection(), State::kWhole,
          [&](TinyLearner& learner, Collective&) {
            one = Build(learner)->experience;
          });
  OnRanks(3, TinyPpoSection(), State::kWhole,
          [&](TinyLearner& learner, Collective&) {
            const Experience many = Build(learner)->experience;
            EXPECT_EQ(many.old_logp, one.old_logp);
            EXPECT_EQ(many.ref_logp, one.ref_logp);
            EXPECT_EQ(many.values, one.values);
            EXPECT_EQ(many.advantages, one.advantages);
          });
}

TEST(RankedUpdateTest, RanksWithoutARowFollow) {
  OnRanks(4, TinyPpoSection(), State::kWhole,
          [&](TinyLearner& learner, Collective&) {
            const Experience e = Build(learner)->experience;
            const auto stats = learner.Update(e, {.minibatch_samples = 2});
            ASSERT_TRUE(stats.ok()) << stats.status();
            EXPECT_EQ(stats->optimizer_steps, kResponses / 2);
          });
}

// The loss of one rank's share is not finite: its own copy of a return is not.
TEST(RankedUpdateTest, AnInfiniteLossOnOneRankSkipsTheStepOnAll) {
  OnRanks(2, TinyPpoSection(), State::kWhole,
          [&](TinyLearner& learner, Collective& collective) {
            const at::Tensor before = learner.flat_parameters().clone();
            Experience e = Build(learner)->experience;
            if (collective.rank() == 1) {
              e.returns.assign(e.returns.size(),
                               std::numeric_limits<float>::infinity());
            }
            const auto stats = learner.Update(e, {});
            ASSERT_TRUE(stats.ok()) << stats.status();
            EXPECT_EQ(stats->skipped_steps, 1);
            EXPECT_EQ(stats->non_finite_losses, 1);
            EXPECT_TRUE(at::equal(learner.flat_parameters(), before));
          });
}

TEST(RankedUpdateTest, AnInfiniteGradientOnOneRankSkipsTheStepOnAll) {
  for (const State state : {State::kWhole, State::kShared}) {
    OnRanks(2, TinyPpoSection(), state,
            [&](TinyLearner& learner, Collective& collective) {
              const at::Tensor before = learner.flat_parameters().clone();
              const Experience e = Build(learner)->experience;
              if (collective.rank() == 1) {
                learner.policy().Parameters()[1].second.register_hook(
                    [](const at::Tensor& gradient) {
                      return gradient * std::numeric_limits<float>::infinity();
                    });
              }
              const auto stats = learner.Update(e, {});
              ASSERT_TRUE(stats.ok()) << stats.status();
              EXPECT_EQ(stats->skipped_steps, 1);
              EXPECT_EQ(stats->non_finite_losses, 0);
              EXPECT_TRUE(at::equal(learner.flat_parameters(), before));
            });
  }
}

TEST(RankedUpdateTest, SumsSendWhatTheFormulaSays) {
  for (const State state : {State::kWhole, State::kShared}) {
    OnRanks(4, TinyPpoSection(), state,
            [&](TinyLearner& learner, Collective& collective) {
              const Experience e = Build(learner)->experience;
              const WireBytes before = collective.sent();
              ASSERT_TRUE(learner.Update(e, {}).ok());
              const WireBytes after = collective.sent();
              const auto whole =
                  static_cast<double>(learner.flat_parameters().nbytes());
              const double part = whole * 3 / 4;  // S (n - 1) / n
              const auto reduced =
                  static_cast<double>(after.all_reduce - before.all_reduce);
              const auto scattered = static_cast<double>(after.reduce_scatter -
                                                         before.reduce_scatter);
              const auto gathered =
                  static_cast<double>(after.all_gather - before.all_gather);
              // A few figures go along.
              if (state == State::kWhole) {
                EXPECT_NEAR(reduced, 2 * part, 0.02 * whole);
                EXPECT_EQ(scattered + gathered, 0);
              } else {
                EXPECT_NEAR(scattered, part, 0.02 * whole);
                EXPECT_NEAR(gathered, part, 0.02 * whole);
                EXPECT_LE(reduced, 0.02 * whole);
              }
            });
  }
}

TEST(RankedUpdateTest, ASharedStateIsOneNthOfTheWhole) {
  int64_t whole = 0;
  OnRanks(1, TinyPpoSection(), State::kWhole,
          [&](TinyLearner& learner, Collective&) {
            whole = learner.optimizer().adamw().state_bytes();
          });
  OnRanks(4, TinyPpoSection(), State::kShared,
          [&](TinyLearner& learner, Collective&) {
            EXPECT_NEAR(4.0 * learner.optimizer().adamw().state_bytes(), whole,
                        0.05 * whole);
          });
}

// Four ranks' checkpoint goes on with one, as if they had been one before.
TEST(RankedUpdateTest, AStateThatFourRanksWroteOpensOnOne) {
  const std::string path = testing::TempDir() + "/ranked_state.safetensors";
  at::Tensor parameters, after;
  OnRanks(4, TinyPpoSection(), State::kShared,
          [&](TinyLearner& learner, Collective& collective) {
            const Experience e = Build(learner)->experience;
            ASSERT_TRUE(learner.Update(e, {}).ok());
            const at::Tensor start = learner.flat_parameters().clone();
            const auto moments = learner.optimizer().Gather();
            ASSERT_TRUE(moments.ok()) << moments.status();
            ASSERT_TRUE(learner.Update(Build(learner)->experience, {}).ok());
            if (collective.rank() != 0) return;
            ASSERT_TRUE(learner.optimizer().Write(path, *moments).ok());
            parameters = start;
            after = learner.flat_parameters().clone();
          });
  OnRanks(1, TinyPpoSection(), State::kWhole,
          [&](TinyLearner& learner, Collective&) {
            ASSERT_TRUE(learner.optimizer().Load(path).ok());
            ASSERT_TRUE(learner.optimizer().Broadcast().ok());
            const int64_t size = learner.flat_parameters().numel();
            learner.flat_parameters().copy_(parameters.narrow(0, 0, size));
            ASSERT_TRUE(learner.Update(Build(learner)->experience, {}).ok());
            EXPECT_LE(Distance(learner.flat_parameters(), after), 1e-4);
          });
}

TEST(RankedUpdateTest, ARankWithOtherParametersIsNamed) {
  OnRanks(3, TinyPpoSection(), State::kWhole,
          [&](TinyLearner& learner, Collective& collective) {
            EXPECT_TRUE(learner.optimizer().CompareParameters().ok());
            if (collective.rank() == 2) {
              const at::NoGradGuard no_grad;
              learner.flat_parameters()[5] += 1e-7;
            }
            const absl::Status differ = learner.optimizer().CompareParameters();
            EXPECT_TRUE(absl::IsDataLoss(differ)) << differ;
            EXPECT_THAT(std::string(differ.message()),
                        HasSubstr("of rank 2 are not those of rank 0"));
            EXPECT_TRUE(learner.optimizer().Broadcast().ok());
            EXPECT_TRUE(learner.optimizer().CompareParameters().ok());
          });
}

}  // namespace
}  // namespace operant::learner
