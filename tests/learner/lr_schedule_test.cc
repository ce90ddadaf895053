#include "learner/lr_schedule.h"

#include "gtest/gtest.h"

namespace operant::learner {
namespace {

TEST(LrScheduleTest, WarmsUpLinearlyWithoutAStepAtZero) {
  const LrSchedule schedule = {LrShape::kCosine, 4, 0.1};
  EXPECT_DOUBLE_EQ(LrFactor(schedule, 0, 0), 0.25);
  EXPECT_DOUBLE_EQ(LrFactor(schedule, 1, 0.01), 0.5);
  EXPECT_DOUBLE_EQ(LrFactor(schedule, 3, 0.03), 1);
}

TEST(LrScheduleTest, CosineFallsFromOneToTheRatio) {
  const LrSchedule schedule = {LrShape::kCosine, 0, 0.1};
  EXPECT_DOUBLE_EQ(LrFactor(schedule, 0, 0), 1);
  EXPECT_DOUBLE_EQ(LrFactor(schedule, 5, 0.5), 0.55);
  // cos(pi / 3) = 1/2: 0.1 + 0.9 * 3/4.
  EXPECT_DOUBLE_EQ(LrFactor(schedule, 5, 1.0 / 3), 0.775);
  EXPECT_DOUBLE_EQ(LrFactor(schedule, 9, 1), 0.1);
}

TEST(LrScheduleTest, LinearFallsEvenly) {
  const LrSchedule schedule = {LrShape::kLinear, 0, 0.2};
  EXPECT_DOUBLE_EQ(LrFactor(schedule, 0, 0.25), 0.8);
}

TEST(LrScheduleTest, ConstantStays) {
  const LrSchedule schedule = {LrShape::kConstant, 2, 0.1};
  EXPECT_DOUBLE_EQ(LrFactor(schedule, 7, 0.9), 1);
}

TEST(LrScheduleTest, ProgressIsCutToItsRange) {
  const LrSchedule schedule = {LrShape::kLinear, 0, 0.1};
  EXPECT_DOUBLE_EQ(LrFactor(schedule, 9, 1.5), 0.1);
  EXPECT_DOUBLE_EQ(LrFactor(schedule, 9, -1), 1);
}

TEST(LrScheduleTest, NamesAreParsed) {
  EXPECT_EQ(*ParseLrShape("cosine"), LrShape::kCosine);
  EXPECT_EQ(*ParseLrShape("linear"), LrShape::kLinear);
  EXPECT_EQ(*ParseLrShape("constant"), LrShape::kConstant);
  EXPECT_EQ(ParseLrShape("step").status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace operant::learner
