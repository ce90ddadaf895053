#include "learner/lease_control.h"

#include "common/base/digest.h"
#include "gtest/gtest.h"

namespace operant::learner {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1000);
const std::map<uint64_t, std::string> kPublished = {{3, "three"}};

AdmissionRules Rules() {
  AdmissionRules rules;
  rules.min_policy_version = 3;
  rules.max_policy_version = 3;
  rules.published = &kPublished;
  rules.vocab_size = 10;
  return rules;
}

Worker Ready(const std::string& id, uint64_t epoch = 1) {
  return {.id = id, .slots = 2, .epoch = epoch, .state = WorkerState::kReady};
}

// One prompt, sampled twice.
class LeaseControlTest : public ::testing::Test {
 protected:
  static v1::Trajectory Sampled(uint32_t sample, int32_t token = 5) {
    v1::Trajectory t;
    t.set_id(TrajectoryId("run", 7, sample));
    t.mutable_seed_key()->set_prompt_cursor(7);
    t.mutable_seed_key()->set_sample_index(sample);
    t.add_prompt_token_ids(1);
    t.add_response_token_ids(token);
    t.add_response_logprobs(-1);
    t.set_finish(v1::FINISH_REASON_LENGTH);
    t.add_versions()->set_policy_version(3);
    t.mutable_versions(0)->set_tokens(1);
    t.set_weights_digest("three");
    return t;
  }
  Receipt::Kind Receive(CallId lease, v1::Trajectory t) {
    Receipt receipt;
    EXPECT_TRUE(control_.Receive(lease, std::move(t), Rules(), receipt).ok());
    return receipt.kind;
  }
  CallId GrantTo(const Worker& worker, absl::Time now = kStart) {
    const auto leases = control_.Grant({worker}, now);
    EXPECT_EQ(leases.size(), 1u);
    return leases.empty() ? 0 : leases[0].id;
  }

  LeaseControl control_{{.lease = absl::Seconds(60)},
                        "run",
                        {{.cursor = 7, .token_ids = {1}, .samples = 2}},
                        /*await_durable=*/true};
};

TEST_F(LeaseControlTest, AnAcceptedSampleCountsOnceItIsDurable) {
  const CallId lease = GrantTo(Ready("a"));
  for (uint32_t i : {0, 1}) {
    EXPECT_EQ(Receive(lease, Sampled(i)), Receipt::Kind::kAccepted);
    EXPECT_FALSE(control_.complete());
    control_.Durable(TrajectoryId("run", 7, i));
  }
  EXPECT_TRUE(control_.complete());
}

TEST_F(LeaseControlTest, ALeaseThatExpiresGoesToAnotherUnderTheSameIds) {
  const CallId first = GrantTo(Ready("a"));
  EXPECT_TRUE(control_.Revoke({Ready("a")}, kStart).empty());
  const auto revoked =
      control_.Revoke({Ready("a")}, kStart + absl::Seconds(60));
  ASSERT_EQ(revoked.size(), 1u);
  EXPECT_EQ(revoked[0].samples, 2);
  const CallId second = GrantTo(Ready("b"));
  EXPECT_EQ(Receive(first, Sampled(0)), Receipt::Kind::kLate);
  EXPECT_EQ(Receive(second, Sampled(0)), Receipt::Kind::kAccepted);
}

TEST_F(LeaseControlTest, AnotherIncarnationOfAWorkerOwesNothing) {
  GrantTo(Ready("a", /*epoch=*/1));
  EXPECT_EQ(control_.Revoke({Ready("a", /*epoch=*/2)}, kStart).size(), 1u);
}

TEST_F(LeaseControlTest, ADuplicateThatDiffersIsAConflict) {
  const CallId lease = GrantTo(Ready("a"));
  ASSERT_EQ(Receive(lease, Sampled(0)), Receipt::Kind::kAccepted);
  EXPECT_EQ(Receive(lease, Sampled(0)), Receipt::Kind::kDuplicate);
  EXPECT_EQ(Receive(lease, Sampled(0, /*token=*/6)), Receipt::Kind::kConflict);
}

TEST_F(LeaseControlTest, WeightsThatNobodyPublishedAreRefused) {
  const CallId lease = GrantTo(Ready("a"));
  v1::Trajectory forged = Sampled(0);
  forged.set_weights_digest("other");
  EXPECT_EQ(Receive(lease, forged), Receipt::Kind::kRefused);
}

TEST_F(LeaseControlTest, ASampleUnderAnothersKeyIsRefused) {
  const CallId lease = GrantTo(Ready("a"));
  v1::Trajectory swapped = Sampled(0);
  swapped.mutable_seed_key()->set_sample_index(1);
  EXPECT_EQ(Receive(lease, swapped), Receipt::Kind::kRefused);
}

TEST_F(LeaseControlTest, WhatWasAcceptedBeforeARestartIsNotSampledAgain) {
  for (uint32_t i : {0, 1})
    ASSERT_TRUE(control_.Restore(Sampled(i), Rules()).ok());
  EXPECT_TRUE(control_.complete());
}

TEST_F(LeaseControlTest, ARestoredSampleWaitsForItsVersion) {
  AdmissionRules early = Rules();
  early.min_policy_version = early.max_policy_version = 2;
  ASSERT_TRUE(control_.Restore(Sampled(0), early).ok());
  EXPECT_EQ(control_.schedule().waiting(), 1u);
  control_.Reconsider(early);
  EXPECT_EQ(control_.schedule().accepted(), 0u);
  control_.Reconsider(Rules());
  EXPECT_EQ(control_.schedule().accepted(), 1u);
}

TEST_F(LeaseControlTest, ARestoredSampleOfOtherWeightsIsSampledAgain) {
  AdmissionRules early = Rules();
  early.max_policy_version = 2;
  v1::Trajectory other = Sampled(0);
  other.set_weights_digest("of a model that is lost");
  ASSERT_TRUE(control_.Restore(other, early).ok());
  control_.Reconsider(Rules());
  EXPECT_EQ(control_.schedule().waiting(), 2u);
}

TEST_F(LeaseControlTest, AFailingWorkerWaitsLongerEachTime) {
  int returned = 0;
  ASSERT_TRUE(control_
                  .Ended(GrantTo(Ready("a")), absl::UnavailableError("full"),
                         kStart, returned)
                  .ok());
  EXPECT_EQ(returned, 2);
  EXPECT_TRUE(control_.Grant({Ready("a")}, kStart).empty());
  const absl::Time later = kStart + absl::Milliseconds(500);
  ASSERT_TRUE(control_
                  .Ended(GrantTo(Ready("a"), later),
                         absl::UnavailableError("full"), later, returned)
                  .ok());
  EXPECT_TRUE(
      control_.Grant({Ready("a")}, later + absl::Milliseconds(900)).empty());
  GrantTo(Ready("a"), later + absl::Seconds(1));
}

}  // namespace
}  // namespace operant::learner
