// A problem small enough to list: four tokens, responses of at most three. The
// policy that maximises E[r] - beta KL(pi || pi_ref) is known in closed form,
// pi*(y) ~ pi_ref(y) exp(r(y) / beta), and the whole learner (engines,
// experience, update) has to find it from sampled responses and scores alone.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/learner/tiny_learner.h"

namespace operant::learner {
namespace {

using Response = std::vector<int32_t>;
using Distribution = std::vector<double>;

constexpr int32_t kVocabulary = 4;
constexpr int32_t kStop = 0;
constexpr size_t kLimit = 3;
constexpr double kBeta = 0.4;
const std::vector<int32_t> kPrompt = {1};

// Every response that can be sampled: 1 + 3 + 9 that stop, 27 that are cut.
void Extend(const Response& prefix, std::vector<Response>& all) {
  for (int32_t token = 0; token < kVocabulary; ++token) {
    Response next = prefix;
    next.push_back(token);
    if (token == kStop || next.size() == kLimit) {
      all.push_back(next);
    } else {
      Extend(next, all);
    }
  }
}

// Likes a 2 in front, dislikes a 3 anywhere, and likes to stop.
double Reward(const Response& y) {
  const double threes = static_cast<double>(std::ranges::count(y, 3));
  return (y.front() == 2 ? 1.0 : 0.0) - 0.5 * threes +
         (y.back() == kStop ? 0.5 : 0.0);
}

double TotalVariation(const Distribution& p, const Distribution& q) {
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) sum += std::abs(p[i] - q[i]);
  return sum / 2;
}

class EnumerableProblem {
 public:
  EnumerableProblem(TinyLearner& learner) : learner_(learner) {
    Extend({}, responses_);
  }

  Distribution Policy() {
    Distribution p;
    for (const std::vector<float>& row : Logprobs()) {
      double sum = 0;
      for (const float logp : row) sum += logp;
      p.push_back(std::exp(sum));
    }
    return p;
  }

  Distribution Optimum(const Distribution& reference) const {
    Distribution p = reference;
    double sum = 0;
    for (size_t i = 0; i < p.size(); ++i) {
      p[i] *= std::exp(Reward(responses_[i]) / kBeta);
      sum += p[i];
    }
    for (double& x : p) x /= sum;
    return p;
  }

  // One PPO step on `count` responses of the policy, drawn systematically: each
  // as often as its probability says, to within one.
  absl::StatusOr<UpdateStats> Step(uint64_t step, int count, double scale) {
    const std::vector<std::vector<float>> logprobs = Logprobs();
    const Distribution p = Policy();
    std::vector<v1::Trajectory> trajectories;
    std::vector<double> scores;
    double end = 0;
    double next_hit = std::fmod(0.618034 * static_cast<double>(step + 1), 1);
    for (size_t i = 0; i < responses_.size(); ++i) {
      for (end += count * p[i]; next_hit < end; next_hit += 1) {
        trajectories.push_back(
            MakeTrajectory(std::to_string(trajectories.size()), kPrompt,
                           responses_[i], logprobs[i]));
        scores.push_back(Reward(responses_[i]));
      }
    }
    const auto built = learner_.Build(trajectories, scores);
    if (!built.ok()) return built.status();
    return learner_.Update(built->experience, {.minibatch_samples = count / 2,
                                               .step = step,
                                               .learning_rate_scale = scale});
  }

 private:
  std::vector<std::vector<float>> Logprobs() {
    return learner_.Logprobs(kPrompt, responses_);
  }

  TinyLearner& learner_;
  std::vector<Response> responses_;
};

// Distance from the optimum, of 1, after 150 steps that began at least 0.5
// away.
double DistanceAfterTraining(ComputeType compute) {
  v1::PpoSection ppo = TinyPpoSection();
  ppo.set_learning_rate(3e-3);
  ppo.set_value_clip(10);
  ppo.set_lambda(1);
  ppo.set_kl_coefficient(kBeta);
  ppo.set_ratio_tolerance(compute == ComputeType::kBf16 ? 0.05 : 1e-4);
  TinyLearner learner(kVocabulary, ppo, /*seed=*/7, /*collective=*/nullptr,
                      SharedOptimizer::State::kWhole, compute);
  EnumerableProblem problem(learner);

  const Distribution reference = problem.Policy();
  const Distribution optimum = problem.Optimum(reference);
  EXPECT_GE(TotalVariation(reference, optimum), 0.5);

  constexpr int kSteps = 150;
  for (int step = 0; step < kSteps; ++step) {
    const double scale = 1 - static_cast<double>(step) / kSteps;
    const auto stats = problem.Step(step, /*count=*/512, scale);
    EXPECT_TRUE(stats.ok()) << stats.status();
    if (!stats.ok()) return 1;
    EXPECT_EQ(stats->skipped_steps, 0);
  }
  return TotalVariation(problem.Policy(), optimum);
}

TEST(EnumerableProblemTest, PpoFindsTheClosedFormOptimum) {
  EXPECT_LE(DistanceAfterTraining(ComputeType::kFp32), 0.05);
}

TEST(EnumerableProblemTest, InBf16ItFindsTheSameOptimum) {
  EXPECT_LE(DistanceAfterTraining(ComputeType::kBf16), 0.05);
}

}  // namespace
}  // namespace operant::learner
