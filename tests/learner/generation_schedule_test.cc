#include "learner/generation_schedule.h"

#include "gtest/gtest.h"

namespace operant::learner {
namespace {

const absl::Status kCut = absl::UnavailableError("cut");

// Two prompts, three samples each.
GenerationSchedule TwoGroups(int max_attempts = 3) {
  return GenerationSchedule("run",
                            {{.cursor = 7, .token_ids = {1}, .samples = 3},
                             {.cursor = 8, .token_ids = {2}, .samples = 3}},
                            max_attempts);
}

v1::Trajectory WithId(const std::string& id) {
  v1::Trajectory t;
  t.set_id(id);
  return t;
}

TEST(GenerationScheduleTest, TakesWholeGroups) {
  GenerationSchedule schedule = TwoGroups();
  const auto first = schedule.Take("a", /*max_samples=*/1, /*call=*/1);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].sample_indices_size(), 3);
  EXPECT_EQ(first[0].prompt_cursor(), 7u);
  EXPECT_EQ(schedule.OutstandingAt("a"), 3);
  EXPECT_EQ(schedule.waiting(), 3u);
}

TEST(GenerationScheduleTest, IsOrderedByPromptAndSampleNotByArrival) {
  GenerationSchedule schedule = TwoGroups();
  const auto requests = schedule.Take("a", 6, 1);
  ASSERT_EQ(requests.size(), 2u);
  std::vector<std::string> ids;
  for (const auto& request : requests)
    ids.insert(ids.end(), request.trajectory_ids().begin(),
               request.trajectory_ids().end());
  for (size_t i = ids.size(); i-- > 0;)
    ASSERT_TRUE(schedule.Accept(1, WithId(ids[i])).ok());
  ASSERT_TRUE(schedule.done());
  const auto all = schedule.TakeAll();
  for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(all[i].id(), ids[i]);
}

TEST(GenerationScheduleTest, WhatACallOwedGoesToAnotherUnderTheSameIds) {
  GenerationSchedule schedule = TwoGroups();
  const auto lost = schedule.Take("a", 3, 1);
  ASSERT_TRUE(schedule.Accept(1, WithId(lost[0].trajectory_ids(0))).ok());
  ASSERT_TRUE(schedule.Return(1, kCut).ok());
  EXPECT_EQ(schedule.OutstandingAt("a"), 0);
  const auto again = schedule.Take("b", 2, 2);
  ASSERT_EQ(again.size(), 1u);
  ASSERT_EQ(again[0].trajectory_ids_size(), 2);
  EXPECT_EQ(again[0].trajectory_ids(0), lost[0].trajectory_ids(1));
  EXPECT_EQ(again[0].sample_indices(1), 2u);
}

TEST(GenerationScheduleTest, ALateTrajectoryOfALostCallIsRefused) {
  GenerationSchedule schedule = TwoGroups();
  const auto lost = schedule.Take("a", 3, 1);
  ASSERT_TRUE(schedule.Return(1, kCut).ok());
  schedule.Take("b", 3, 2);
  const std::string& id = lost[0].trajectory_ids(0);
  EXPECT_EQ(schedule.Accept(1, WithId(id)).code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(schedule.Accept(2, WithId(id)).ok());
}

TEST(GenerationScheduleTest, NothingCountsTwice) {
  GenerationSchedule schedule = TwoGroups();
  const auto requests = schedule.Take("a", 3, 1);
  const std::string& id = requests[0].trajectory_ids(0);
  ASSERT_TRUE(schedule.Accept(1, WithId(id)).ok());
  EXPECT_EQ(schedule.Accept(1, WithId(id)).code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(schedule.accepted(), 1u);
}

TEST(GenerationScheduleTest, AnUnknownIdIsRefused) {
  GenerationSchedule schedule = TwoGroups();
  EXPECT_EQ(schedule.Accept(1, WithId("nobody's")).code(),
            absl::StatusCode::kNotFound);
}

TEST(GenerationScheduleTest, ASampleThatKeepsFailingEndsTheGeneration) {
  GenerationSchedule schedule = TwoGroups(/*max_attempts=*/2);
  schedule.Take("a", 3, 1);
  EXPECT_TRUE(schedule.Return(1, kCut).ok());
  schedule.Take("a", 3, 2);
  const absl::Status status = schedule.Return(2, kCut);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(status.message().find("cut"), std::string::npos);
}

TEST(GenerationScheduleTest, IdsDependOnRunPromptAndSampleAlone) {
  GenerationSchedule one = TwoGroups();
  GenerationSchedule two("run", {{.cursor = 8, .token_ids = {2}, .samples = 1}},
                         3);
  one.Take("a", 3, 1);
  const auto second_group = one.Take("a", 3, 2);
  EXPECT_EQ(two.Take("b", 1, 1)[0].trajectory_ids(0),
            second_group[0].trajectory_ids(0));
}

}  // namespace
}  // namespace operant::learner
