#include "common/run/gpu_plan.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/common/run/temp_folder.h"

namespace operant {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::RunConfig Config(uint32_t ranks, uint32_t workers) {
  v1::RunConfig config;
  config.mutable_learner()->set_ranks(ranks);
  config.mutable_learner()->set_device("auto");
  config.mutable_rollout()->set_workers(workers);
  config.mutable_rollout()->set_device("auto");
  return config;
}

const Environment kNothingSet = [](const char*) { return nullptr; };

TEST(UsableGpusTest, AreTheDriversUnlessTheEnvironmentNamesSome) {
  const TempFolder root;
  const Environment two = [](const char*) { return "5,GPU-8f"; };
  EXPECT_THAT(UsableGpus(root.path(), kNothingSet), IsEmpty());
  EXPECT_THAT(UsableGpus(root.path(), two), IsEmpty());
  for (const char* gpu : {"0000:01:00.0", "0000:02:00.0"}) {
    std::filesystem::create_directories(std::filesystem::path(root.path()) /
                                        "proc/driver/nvidia/gpus" / gpu);
  }
  EXPECT_THAT(UsableGpus(root.path(), kNothingSet), ElementsAre("0", "1"));
  EXPECT_THAT(UsableGpus(root.path(), two), ElementsAre("5", "GPU-8f"));
  EXPECT_THAT(UsableGpus(root.path(), [](const char*) { return ""; }),
              IsEmpty());
}

TEST(PlanGpusTest, RanksHaveOneEachAndWorkersShareOutTheOthers) {
  const auto plan = PlanGpus({"0", "1", "2", "3"}, Config(2, 3));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->ranks, ElementsAre("0", "1"));
  EXPECT_THAT(plan->workers, ElementsAre("2", "3", "2"));
}

TEST(PlanGpusTest, WhereRanksTakeAllWorkersUseThemToo) {
  const auto plan = PlanGpus({"0", "1"}, Config(2, 3));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->workers, ElementsAre("0", "1", "0"));
}

TEST(PlanGpusTest, ARoleOnTheCpuLeavesThemToTheOther) {
  v1::RunConfig config = Config(2, 1);
  config.mutable_learner()->set_device("cpu");
  const auto plan = PlanGpus({"0"}, config);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->ranks, ElementsAre("", ""));
  EXPECT_THAT(plan->workers, ElementsAre("0"));
}

TEST(PlanGpusTest, WithoutGpusNothingIsSet) {
  const auto plan = PlanGpus({}, Config(2, 2));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->ranks, Each(IsEmpty()));
  EXPECT_THAT(plan->workers, Each(IsEmpty()));
}

TEST(PlanGpusTest, MoreRanksThanGpusAreRefused) {
  const auto plan = PlanGpus({"0", "1"}, Config(4, 1));
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(plan.status().message()),
              HasSubstr("learner.ranks=4, expected at most 2"));
}

}  // namespace
}  // namespace operant
