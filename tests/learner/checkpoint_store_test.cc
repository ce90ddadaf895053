#include "learner/checkpoint_store.h"

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "gtest/gtest.h"

namespace operant::learner {
namespace {

class CheckpointStoreTest : public ::testing::Test {
 protected:
  CheckpointStoreTest() {
    EXPECT_TRUE(RemoveTree(folder_).ok());
    EXPECT_TRUE(MakeDirectories(folder_).ok());
  }

  absl::Status WriteStep(uint64_t step) {
    return store_.Write(step, [&](const std::string& folder) {
      return WriteFileAtomically(folder + "/weights",
                                 absl::StrCat("of step ", step));
    });
  }

  const std::string folder_ = absl::StrCat(
      ::testing::TempDir(), "/checkpoints_",
      ::testing::UnitTest::GetInstance()->current_test_info()->name());
  CheckpointStore store_{folder_};
};

TEST_F(CheckpointStoreTest, TheNewestIsFound) {
  for (uint64_t step : {2, 10, 9}) ASSERT_TRUE(WriteStep(step).ok());
  EXPECT_EQ(store_.Latest().value(), store_.PathOf(10));
}

TEST_F(CheckpointStoreTest, WithoutAnyThereIsNone) {
  EXPECT_EQ(store_.Latest().status().code(), absl::StatusCode::kNotFound);
}

TEST_F(CheckpointStoreTest, AFlippedByteFallsBackToTheOneBefore) {
  ASSERT_TRUE(WriteStep(1).ok());
  ASSERT_TRUE(WriteStep(2).ok());
  ASSERT_TRUE(
      WriteFileAtomically(store_.PathOf(2) + "/weights", "of step 3").ok());
  EXPECT_EQ(VerifyCheckpoint(store_.PathOf(2)).code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(store_.Latest().value(), store_.PathOf(1));
}

TEST_F(CheckpointStoreTest, AWriteThatFailsLeavesTheEarlierOne) {
  ASSERT_TRUE(WriteStep(1).ok());
  const absl::Status full = absl::ResourceExhaustedError("no space");
  EXPECT_EQ(store_.Write(2, [&](const std::string&) { return full; }), full);
  EXPECT_EQ(store_.Latest().value(), store_.PathOf(1));
}

TEST_F(CheckpointStoreTest, AFolderWithoutMarkerIsNoCheckpoint) {
  ASSERT_TRUE(WriteStep(1).ok());
  ASSERT_TRUE(WriteStep(2).ok());
  ASSERT_TRUE(RemoveTree(store_.PathOf(2) + "/COMPLETE").ok());
  EXPECT_EQ(store_.steps(), std::vector<uint64_t>{1});
  EXPECT_EQ(store_.Latest().value(), store_.PathOf(1));
}

TEST_F(CheckpointStoreTest, PruningKeepsTheNewestAndTheBest) {
  for (uint64_t step : {1, 2, 3, 4, 5}) ASSERT_TRUE(WriteStep(step).ok());
  ASSERT_TRUE(store_.Prune(/*keep=*/2, /*protected_step=*/2).ok());
  EXPECT_EQ(store_.steps(), (std::vector<uint64_t>{2, 4, 5}));
}

TEST_F(CheckpointStoreTest, TrainerStateSurvivesTheRoundTrip) {
  const TrainerState state{.step = 7,
                           .next_cursor = 1792,
                           .kl_coefficient = 0.1 + 0.2,
                           .responses = 3,
                           .tokens = 4,
                           .train_seconds = 1.0 / 3,
                           .best_eval = 1e-4,
                           .has_best = true,
                           .model_digest = "abc",
                           .run_id = "demo"};
  ASSERT_TRUE(WriteTrainerState(folder_, state).ok());
  const TrainerState read = ReadTrainerState(folder_).value();
  EXPECT_EQ(read.step, state.step);
  EXPECT_EQ(read.next_cursor, state.next_cursor);
  EXPECT_EQ(read.kl_coefficient, state.kl_coefficient);
  EXPECT_EQ(read.train_seconds, state.train_seconds);
  EXPECT_EQ(read.model_digest, state.model_digest);
}

TEST_F(CheckpointStoreTest, AStateWithoutAKeyIsNamed) {
  ASSERT_TRUE(MakeDirectories(folder_ + "/trainer_state").ok());
  ASSERT_TRUE(
      WriteFileAtomically(folder_ + "/trainer_state/state.json", "{}").ok());
  const absl::Status status = ReadTrainerState(folder_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(status.message().find("'step'"), std::string::npos);
}

}  // namespace
}  // namespace operant::learner
