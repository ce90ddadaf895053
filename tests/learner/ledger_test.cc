#include "learner/ledger.h"

#include <unistd.h>

#include <atomic>
#include <fstream>

#include "common/base/file_io.h"
#include "gtest/gtest.h"
#include "learner/batch_manifest.h"
#include "learner/ledger_reader.h"
#include "learner/step_order.h"
#include "learner/trajectory_digest.h"

namespace operant::learner {
namespace {

v1::Trajectory Sampled(uint64_t cursor, int32_t token) {
  v1::Trajectory t;
  t.set_id("t" + std::to_string(cursor));
  t.mutable_seed_key()->set_prompt_cursor(cursor);
  t.add_response_token_ids(token);
  t.add_versions()->set_policy_version(0);
  return t;
}

v1::LedgerRecord Accepted(uint64_t step, const v1::Trajectory& t) {
  v1::LedgerRecord record;
  record.mutable_accepted()->set_step(step);
  record.mutable_accepted()->set_digest(TrajectoryDigest(t));
  *record.mutable_accepted()->mutable_trajectory() = t;
  return record;
}

class LedgerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = ::testing::TempDir() + "ledger_test_" + std::to_string(getpid()) +
            "_" +
            ::testing::UnitTest::GetInstance()->current_test_info()->name() +
            ".sqlite";
    for (const char* suffix : {"", "-wal", "-shm"})
      unlink((path_ + suffix).c_str());
  }
  Ledger::Options Options(uint64_t resumed_step = 0) const {
    return {.path = path_,
            .run_id = "run",
            .model_digest = "model",
            .resumed_step = resumed_step};
  }
  std::unique_ptr<Ledger> Open(uint64_t resumed_step = 0) const {
    return Ledger::Open(Options(resumed_step)).value();
  }
  // A whole step of one response.
  static absl::Status TakeStep(Ledger& ledger, uint64_t step,
                               const v1::Trajectory& t) {
    ledger.Append(Accepted(step, t));
    v1::LedgerRecord record;
    auto manifest = MakeBatchManifest(
        {&t, 1},
        {.step = step, .policy_version = step, .staleness = 99, .samples = 1});
    *record.mutable_manifest() = *manifest;
    ledger.Append(record);
    record.mutable_committed()->set_step(step);
    record.mutable_committed()->set_manifest_sha256(ManifestDigest(*manifest));
    ledger.Append(record);
    record.mutable_published()->set_policy_version(step + 1);
    record.mutable_published()->set_weights_sha256("w");
    ledger.Append(record);
    return ledger.Flush();
  }

  std::string path_;
};

TEST_F(LedgerTest, WhatIsAcknowledgedIsThereForAnotherReader) {
  auto ledger = Open();
  std::atomic<bool> acknowledged{false};
  ledger->Append(Accepted(0, Sampled(1, 5)), [&](const absl::Status& status) {
    acknowledged = status.ok();
  });
  ASSERT_TRUE(ledger->Flush().ok());
  EXPECT_TRUE(acknowledged);
  EXPECT_EQ(LedgerReader::Open(path_).value()->Totals()->accepted, 1u);
}

TEST_F(LedgerTest, AcceptedResponsesOutliveTheLearner) {
  Open()->Append(Accepted(2, Sampled(1, 5)));
  auto ledger = Open();
  EXPECT_EQ(ledger->epoch(), 2u);
  const auto held = ledger->Accepted(2).value();
  ASSERT_EQ(held.size(), 1u);
  EXPECT_EQ(held[0].response_token_ids(0), 5);
  EXPECT_TRUE(ledger->Accepted(1).value().empty());
}

TEST_F(LedgerTest, NothingIsAcceptedTwiceInOneEpoch) {
  auto ledger = Open();
  ledger->Append(Accepted(0, Sampled(1, 5)));
  ASSERT_TRUE(ledger->Flush().ok());
  ledger->Append(Accepted(0, Sampled(1, 5)));
  EXPECT_EQ(ledger->Flush().code(), absl::StatusCode::kInternal);
}

TEST_F(LedgerTest, AnErrorStaysAndReachesEveryCallback) {
  auto ledger = Open();
  ledger->Append(Accepted(0, Sampled(1, 5)));
  ledger->Append(Accepted(0, Sampled(1, 5)));
  EXPECT_EQ(ledger->Flush().code(), absl::StatusCode::kInternal);
  absl::Status later;
  ledger->Append(Accepted(0, Sampled(2, 5)),
                 [&](const absl::Status& status) { later = status; });
  EXPECT_EQ(ledger->Flush().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(later.code(), absl::StatusCode::kInternal);
}

TEST_F(LedgerTest, AnOlderLearnerFindsItselfFencedOff) {
  auto old = Open();
  auto now = Open();
  old->Append(Accepted(0, Sampled(1, 5)));
  EXPECT_EQ(old->Flush().code(), absl::StatusCode::kAborted);
  now->Append(Accepted(0, Sampled(1, 5)));
  EXPECT_TRUE(now->Flush().ok());
}

TEST_F(LedgerTest, AStepNeedsItsManifest) {
  auto ledger = Open();
  v1::LedgerRecord record;
  record.mutable_committed()->set_step(0);
  record.mutable_committed()->set_manifest_sha256("unknown");
  ledger->Append(record);
  EXPECT_EQ(ledger->Flush().code(), absl::StatusCode::kInternal);
}

TEST_F(LedgerTest, AResumedRunWritesLaterStepsAgain) {
  {
    auto ledger = Open();
    for (uint64_t step : {0, 1})
      ASSERT_TRUE(TakeStep(*ledger, step, Sampled(step, 5)).ok());
  }
  auto ledger = Open(/*resumed_step=*/1);
  EXPECT_EQ(LedgerReader::Open(path_).value()->Totals()->steps, 1u);
  EXPECT_EQ(ledger->Published(9).value().size(), 1u);
  ASSERT_TRUE(TakeStep(*ledger, 1, Sampled(1, 6)).ok());
  EXPECT_EQ(ledger->replaced(), 1u);
  const auto steps = LedgerReader::Open(path_).value()->LastSteps(9).value();
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[1].samples, 1u);
}

TEST_F(LedgerTest, ACheckpointReleasesTheResponsesItHolds) {
  auto ledger = Open();
  for (uint64_t step : {0, 1})
    ASSERT_TRUE(TakeStep(*ledger, step, Sampled(step, 5)).ok());
  v1::LedgerRecord cut;
  cut.mutable_checkpoint()->set_step(1);
  cut.mutable_checkpoint()->set_oldest_kept(1);
  ledger->Append(cut);
  ASSERT_TRUE(ledger->Flush().ok());
  EXPECT_TRUE(ledger->Accepted(0).value().empty());
  EXPECT_EQ(ledger->Accepted(1).value().size(), 1u);
}

TEST_F(LedgerTest, AnotherRunsLedgerIsRefusedAndUntouched) {
  Open()->Append(Accepted(0, Sampled(1, 5)));
  Ledger::Options options = Options();
  options.run_id = "another";
  EXPECT_EQ(Ledger::Open(options).status().code(),
            absl::StatusCode::kFailedPrecondition);
  options = Options();
  options.model_digest = "another";
  EXPECT_EQ(Ledger::Open(options).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(LedgerReader::Open(path_).value()->Totals()->epochs, 1u);
}

TEST_F(LedgerTest, ADamagedFileIsToldByName) {
  {
    auto ledger = Open();
    for (uint64_t step = 0; step < 20; ++step)
      ASSERT_TRUE(TakeStep(*ledger, step, Sampled(step, 5)).ok());
  }
  ASSERT_EQ(truncate(path_.c_str(), 5000), 0);
  EXPECT_EQ(Ledger::Open(Options()).status().code(),
            absl::StatusCode::kDataLoss);
  std::ofstream(path_, std::ios::trunc) << std::string(4096, 'x');
  const absl::Status status = Ledger::Open(Options()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(status.message().find("ledger_test"), std::string::npos);
}

TEST_F(LedgerTest, AFolderThatIsNotThereIsNotFound) {
  Ledger::Options options = Options();
  options.path = "/nowhere/ledger.sqlite";
  EXPECT_EQ(Ledger::Open(options).status().code(), absl::StatusCode::kNotFound);
}

TEST(BatchManifestTest, RefusesWhatAStepMustNotTrainOn) {
  const std::vector<v1::Trajectory> good = {Sampled(1, 5), Sampled(2, 5)};
  ManifestRules rules{.samples = 2};
  EXPECT_EQ(MakeBatchManifest(good, rules)->entries_size(), 2);
  const std::vector<v1::Trajectory> twice = {Sampled(1, 5), Sampled(1, 5)};
  EXPECT_EQ(MakeBatchManifest(twice, rules).status().code(),
            absl::StatusCode::kInternal);
  rules.policy_version = 2;
  rules.staleness = 1;
  EXPECT_EQ(MakeBatchManifest(good, rules).status().code(),
            absl::StatusCode::kInternal);
  rules.staleness = 2;
  EXPECT_TRUE(MakeBatchManifest(good, rules).ok());
  rules.samples = 3;
  EXPECT_EQ(MakeBatchManifest(good, rules).status().code(),
            absl::StatusCode::kInternal);
}

TEST(StepOrderTest, NothingIsLeftOutAndNothingIsDoneTwice) {
  StepOrder order(4);
  EXPECT_EQ(order.Commit(4).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(order.Choose(5).code(), absl::StatusCode::kInternal);
  ASSERT_TRUE(order.Choose(4).ok());
  EXPECT_EQ(order.Cut(4).code(), absl::StatusCode::kInternal);
  ASSERT_TRUE(order.Commit(4).ok());
  EXPECT_EQ(order.Publish(4).code(), absl::StatusCode::kInternal);
  ASSERT_TRUE(order.Publish(5).ok());
  EXPECT_TRUE(order.Cut(5).ok());
  EXPECT_EQ(order.steps(), 5u);
}

}  // namespace
}  // namespace operant::learner
