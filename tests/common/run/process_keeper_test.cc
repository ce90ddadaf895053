#include "common/run/process_keeper.h"

#include <signal.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

using Action = RestartDecision::Action;
using testing::ElementsAre;
using testing::IsEmpty;

absl::Time At(double seconds) {
  return absl::UnixEpoch() + absl::Seconds(seconds);
}

ProcessSpec Named(const std::string& role, const std::string& flag = "") {
  return {.role = role, .args = {flag}};
}

ProcessExit Killed(const std::string& role) {
  return {.role = role, .signal = SIGKILL};
}

// Two units: a group of two ranks and a worker.
class ProcessKeeperTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(
        keeper_.Start("learner", {Named("learner"), Named("learner-1")}).ok());
    ASSERT_TRUE(keeper_.Start("rollout-0", {Named("rollout-0")}).ok());
    started_.clear();
  }

  std::vector<std::string> started_, killed_;
  absl::Status start_result_;
  ProcessKeeper keeper_{{.max_failures = 2, .first_pause = absl::Seconds(1)},
                        {.start =
                             [this](const ProcessSpec& spec) {
                               started_.push_back(spec.role + spec.args[0]);
                               return start_result_;
                             },
                         .signal =
                             [this](const std::string& role, int signal) {
                               if (signal == SIGKILL) killed_.push_back(role);
                             }}};
};

// Rank 0 says where the others find it only once it runs.
TEST_F(ProcessKeeperTest, WhatJoinsAUnitEndsAndStartsWithIt) {
  ASSERT_TRUE(keeper_.Join("rollout-0", {Named("rollout-0b")}).ok());
  EXPECT_THAT(started_, ElementsAre("rollout-0b"));
  keeper_.Ended(Killed("rollout-0b"), At(0));
  EXPECT_THAT(killed_, ElementsAre("rollout-0"));
  keeper_.Ended(Killed("rollout-0"), At(0));
  keeper_.StartDue(At(1));
  EXPECT_THAT(started_, ElementsAre("rollout-0b", "rollout-0", "rollout-0b"));
}

TEST_F(ProcessKeeperTest, StartsAWorkerAgainAfterItsPause) {
  const auto verdict = keeper_.Ended(Killed("rollout-0"), At(0));
  EXPECT_TRUE(verdict.first);
  EXPECT_EQ(verdict.unit, "rollout-0");
  EXPECT_FALSE(keeper_.IsRunning("rollout-0"));
  EXPECT_EQ(keeper_.NextStart(), At(1));
  EXPECT_THAT(keeper_.StartDue(At(0.9)), IsEmpty());
  EXPECT_THAT(started_, IsEmpty());
  keeper_.StartDue(At(1));
  EXPECT_THAT(started_, ElementsAre("rollout-0"));
  EXPECT_TRUE(keeper_.IsRunning("rollout-0"));
  EXPECT_EQ(keeper_.NextStart(), absl::InfiniteFuture());
}

TEST_F(ProcessKeeperTest, ADeadRankEndsItsGroupWhichStartsAgainWhole) {
  EXPECT_TRUE(keeper_.Ended(Killed("learner-1"), At(0)).first);
  EXPECT_THAT(killed_, ElementsAre("learner"));
  // One of the group still runs: nothing starts beside it.
  keeper_.StartDue(At(5));
  EXPECT_THAT(started_, IsEmpty());
  const auto second = keeper_.Ended(Killed("learner"), At(5));
  EXPECT_FALSE(second.first);
  EXPECT_EQ(second.exit.role, "learner-1");
  keeper_.StartDue(At(5));
  EXPECT_THAT(started_, ElementsAre("learner", "learner-1"));
}

TEST_F(ProcessKeeperTest, AGroupThatEndsTogetherFailsOnce) {
  for (int i = 0; i < 2; ++i) {
    keeper_.Ended(Killed("learner-1"), At(i * 10));
    keeper_.Ended(Killed("learner"), At(i * 10));
    keeper_.StartDue(At(i * 10 + 5));
  }
  EXPECT_EQ(started_.size(), 4u);
  EXPECT_EQ(keeper_.Ended(Killed("learner"), At(30)).decision.action,
            Action::kGiveUp);
  keeper_.Ended(Killed("learner-1"), At(30));
  keeper_.StartDue(At(1000));
  EXPECT_EQ(started_.size(), 4u);
}

TEST_F(ProcessKeeperTest, ARankThatIsDoneWaitsForTheOthers) {
  const ProcessExit done = {.role = "learner-1"};
  EXPECT_FALSE(keeper_.Ended(done, At(0)).first);
  EXPECT_THAT(killed_, IsEmpty());
  const auto last = keeper_.Ended({.role = "learner"}, At(1));
  EXPECT_TRUE(last.first);
  EXPECT_EQ(last.decision.action, Action::kOver);
}

TEST_F(ProcessKeeperTest, StartsWhatReplacedTheFirstCommand) {
  keeper_.ReplaceSpecs("learner", {Named("learner", " --resume"),
                                   Named("learner-1", " --resume")});
  keeper_.Ended(Killed("learner"), At(0));
  keeper_.Ended(Killed("learner-1"), At(0));
  keeper_.StartDue(At(1));
  EXPECT_THAT(started_, ElementsAre("learner --resume", "learner-1 --resume"));
}

TEST_F(ProcessKeeperTest, AStartThatFailsCountsAsAFailure) {
  keeper_.Ended(Killed("rollout-0"), At(0));
  start_result_ = absl::ResourceExhaustedError("no more processes");
  const auto first = keeper_.StartDue(At(1));
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].decision.action, Action::kStartAgain);
  EXPECT_EQ(keeper_.NextStart(), At(3));
  EXPECT_EQ(keeper_.StartDue(At(3))[0].decision.action, Action::kGiveUp);
}

}  // namespace
}  // namespace operant
