#include "learner/checkpoint_store.h"

#include <sys/stat.h>

#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "gmock/gmock.h"
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
                           .best_step = 5,
                           .evaluated_step = 6,
                           .skipped_in_a_row = 2,
                           .metrics_bytes = 12345,
                           .model_digest = "abc",
                           .run_id = "demo",
                           .ranks = 2,
                           .threads = 3,
                           .build = "b",
                           .processor = "p"};
  ASSERT_TRUE(WriteTrainerState(folder_, state).ok());
  const std::string again = folder_ + "/again";
  ASSERT_TRUE(WriteTrainerState(again, ReadTrainerState(folder_).value()).ok());
  const std::string file = "/trainer_state/state.json";
  // Every field, none equal to its default.
  EXPECT_EQ(ReadFile(again + file).value(), ReadFile(folder_ + file).value());
  EXPECT_EQ(ReadTrainerState(again)->kl_coefficient, 0.1 + 0.2);
  EXPECT_EQ(ReadTrainerState(again)->best_step, 5u);
}

TEST_F(CheckpointStoreTest, AStateWithoutAKeyIsNamed) {
  ASSERT_TRUE(MakeDirectories(folder_ + "/trainer_state").ok());
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/trainer_state/state.json",
                                  R"({"format": 2})")
                  .ok());
  const absl::Status status = ReadTrainerState(folder_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(status.message().find("'step'"), std::string::npos);
}

TEST_F(CheckpointStoreTest, AStateOfAnotherFormatIsRefusedWithTheReason) {
  ASSERT_TRUE(MakeDirectories(folder_ + "/trainer_state").ok());
  ASSERT_TRUE(
      WriteFileAtomically(folder_ + "/trainer_state/state.json", "{}").ok());
  const absl::Status status = ReadTrainerState(folder_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("format=none"), std::string::npos) << status;
}

TEST_F(CheckpointStoreTest, AStrangeFileInACheckpointIsRefused) {
  ASSERT_TRUE(WriteStep(1).ok());
  ASSERT_TRUE(WriteStep(2).ok());
  ASSERT_TRUE(WriteFileAtomically(store_.PathOf(2) + "/more", "x").ok());
  const absl::Status status = VerifyCheckpoint(store_.PathOf(2));
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(status.message().find("more is not in MANIFEST.json"),
            std::string::npos);
}

TEST_F(CheckpointStoreTest, WhenNoneVerifiesTheNewestOnesFaultIsNamed) {
  ASSERT_TRUE(WriteStep(1).ok());
  ASSERT_TRUE(WriteStep(2).ok());
  for (int step : {1, 2}) {
    ASSERT_TRUE(
        WriteFileAtomically(store_.PathOf(step) + "/weights", "short").ok());
  }
  const absl::Status status = store_.Latest().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(status.message().find("step_2/weights has 5 bytes"),
            std::string::npos)
      << status;
}

TEST_F(CheckpointStoreTest, DigestsAreOfWhatWasMeantNotOfWhatIsOnTheDisk) {
  ASSERT_TRUE(store_
                  .Write(1,
                         [&](const std::string& folder) {
                           auto status = WriteFileAtomically(
                               folder + "/weights", "meant");
                           std::ofstream(folder + "/weights") << "other";
                           return status;
                         })
                  .ok());
  EXPECT_EQ(VerifyCheckpoint(store_.PathOf(1)).code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(CheckpointStoreTest, AFileWrittenPastTheRecorderIsNotPublished) {
  const absl::Status status = store_.Write(1, [](const std::string& folder) {
    std::ofstream(folder + "/weights") << "unrecorded";
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(ListDirectory(folder_).value(), testing::IsEmpty());
}

TEST_F(CheckpointStoreTest, RoomIsTakenBeforeItIsNeeded) {
  ASSERT_TRUE(store_.Reserve(1 << 20).ok());
  struct stat info;
  ASSERT_EQ(stat((folder_ + "/.reserved").c_str(), &info), 0);
  EXPECT_GE(info.st_blocks * 512, 1 << 20);
  // What a checkpoint took is taken again for the next.
  ASSERT_TRUE(WriteStep(1).ok());
  ASSERT_EQ(stat((folder_ + "/.reserved").c_str(), &info), 0);
  EXPECT_LT(info.st_size, 1 << 20);
  const absl::Status status = store_.Reserve(uint64_t{1} << 60);
  EXPECT_NE(status.code(), absl::StatusCode::kOk);
  EXPECT_FALSE(FileExists(folder_ + "/.reserved"));
}

// What a run and a checkpoint have in common, or not.
struct Resume {
  TrainerState saved = {.model_digest = "m",
                        .run_id = "r",
                        .ranks = 2,
                        .threads = 4,
                        .build = "b",
                        .processor = "p"};
  TrainerState now = saved;
  absl::Status Check(const ResumeRules& rules) const {
    return CheckResumable("step_3", saved, now, rules);
  }
};

TEST(CheckResumableTest, NamesFileFieldAndNextStepOfWhatDiffers) {
  const std::pair<std::string, void (*)(TrainerState&)> kChanges[] = {
      {"model_digest=m, this run has x",
       [](TrainerState& s) { s.model_digest = "x"; }},
      {"run_id=r, this run has x", [](TrainerState& s) { s.run_id = "x"; }},
      {"ranks=2, this run has 1", [](TrainerState& s) { s.ranks = 1; }},
      {"build=b, this run has x", [](TrainerState& s) { s.build = "x"; }},
      {"processor=p, this run has x",
       [](TrainerState& s) { s.processor = "x"; }},
      {"threads=4, this run has 1", [](TrainerState& s) { s.threads = 1; }}};
  for (const auto& [text, change] : kChanges) {
    Resume resume;
    change(resume.now);
    const absl::Status status = resume.Check({.deterministic = true});
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << text;
    EXPECT_THAT(std::string(status.message()),
                testing::AllOf(testing::HasSubstr("step_3/trainer_state"),
                               testing::HasSubstr(text)));
  }
  EXPECT_TRUE(Resume().Check({.deterministic = true}).ok());
}

TEST(CheckResumableTest, OtherRanksNeedAFlagAndAnotherBuildDoesNotMatter) {
  Resume resume;
  resume.now.ranks = 4;
  resume.now.build = "x";
  EXPECT_FALSE(resume.Check({}).ok());
  EXPECT_TRUE(resume.Check({.allow_other_ranks = true}).ok());
}

}  // namespace
}  // namespace operant::learner
