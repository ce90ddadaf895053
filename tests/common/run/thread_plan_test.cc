#include "common/run/thread_plan.h"

#include "gtest/gtest.h"

namespace operant {
namespace {

v1::RunConfig Config(uint32_t staleness, uint32_t workers) {
  v1::RunConfig config;
  config.mutable_learner()->set_staleness(staleness);
  config.mutable_rollout()->set_workers(workers);
  return config;
}

TEST(ThreadPlanTest, TakingTurnsEachGetsAllCores) {
  v1::RunConfig config = Config(/*staleness=*/0, /*workers=*/1);
  DivideThreads(2, config);
  EXPECT_EQ(config.rollout().threads(), 2u);
  EXPECT_EQ(config.learner().threads(), 2u);
}

TEST(ThreadPlanTest, OverlappingTheyShare) {
  v1::RunConfig config = Config(/*staleness=*/1, /*workers=*/2);
  DivideThreads(8, config);
  EXPECT_EQ(config.learner().threads(), 4u);
  EXPECT_EQ(config.rollout().threads(), 2u);
}

TEST(ThreadPlanTest, RanksShareTheLearnersPart) {
  v1::RunConfig config = Config(/*staleness=*/0, /*workers=*/1);
  config.mutable_learner()->set_ranks(4);
  DivideThreads(8, config);
  EXPECT_EQ(config.learner().threads(), 2u);
}

TEST(ThreadPlanTest, OneCoreIsEnoughForEveryone) {
  v1::RunConfig config = Config(/*staleness=*/1, /*workers=*/3);
  DivideThreads(1, config);
  EXPECT_EQ(config.learner().threads(), 1u);
  EXPECT_EQ(config.rollout().threads(), 1u);
}

TEST(ThreadPlanTest, KeepsWhatIsGiven) {
  v1::RunConfig config = Config(/*staleness=*/0, /*workers=*/1);
  config.mutable_learner()->set_threads(3);
  DivideThreads(8, config);
  EXPECT_EQ(config.learner().threads(), 3u);
  EXPECT_EQ(config.rollout().threads(), 8u);
}

}  // namespace
}  // namespace operant
