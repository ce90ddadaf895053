#include "learner/membership.h"

#include "gtest/gtest.h"

namespace operant::learner {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1000);
constexpr char kDigest[] = "digest-of-3";

class MembershipTest : public ::testing::Test {
 protected:
  uint64_t Join(const std::string& id, absl::Time now = kStart) {
    return members_.Register(id, id + ":1", "", 8, now).value();
  }
  absl::Status Beat(const std::string& id, uint64_t epoch, uint64_t version,
                    absl::Time now = kStart) {
    return members_.Heartbeat({.id = id,
                               .epoch = epoch,
                               .has_weights = true,
                               .policy_version = version,
                               .weights_digest = kDigest},
                              now);
  }
  WorkerState StateOf(const std::string& id) {
    for (const Worker& worker : members_.workers())
      if (worker.id == id) return worker.state;
    ADD_FAILURE() << id << " is unknown";
    return WorkerState::kLost;
  }

  Membership members_{
      {.max_workers = 2, .heartbeat_timeout = absl::Seconds(5)}};
};

TEST_F(MembershipTest, AWorkerIsReadyOnceItServesThePublishedWeights) {
  members_.SetPublished(3, kDigest);
  const uint64_t epoch = Join("a");
  EXPECT_EQ(StateOf("a"), WorkerState::kJoining);
  EXPECT_TRUE(members_.Usable(0).empty());
  ASSERT_TRUE(Beat("a", epoch, 3).ok());
  EXPECT_EQ(StateOf("a"), WorkerState::kReady);
  EXPECT_EQ(members_.Usable(3).size(), 1u);
}

TEST_F(MembershipTest, TheRightVersionWithOtherWeightsIsNotReady) {
  members_.SetPublished(3, "another digest");
  const uint64_t epoch = Join("a");
  ASSERT_TRUE(Beat("a", epoch, 3).ok());
  EXPECT_EQ(StateOf("a"), WorkerState::kJoining);
  EXPECT_TRUE(members_.Usable(0).empty());
}

TEST_F(MembershipTest, AStaleWorkerIsUsableOnlyWithinTheBound) {
  members_.SetPublished(3, kDigest);
  const uint64_t epoch = Join("a");
  ASSERT_TRUE(Beat("a", epoch, 3).ok());
  members_.SetPublished(4, "digest-of-4");
  EXPECT_EQ(StateOf("a"), WorkerState::kStale);
  EXPECT_EQ(members_.Usable(3).size(), 1u);
  EXPECT_TRUE(members_.Usable(4).empty());
}

TEST_F(MembershipTest, ASilentWorkerIsLostAndItsHeartbeatIsRefused) {
  members_.SetPublished(3, kDigest);
  const uint64_t epoch = Join("a");
  ASSERT_TRUE(Beat("a", epoch, 3).ok());
  members_.Expire(kStart + absl::Seconds(5));
  EXPECT_EQ(StateOf("a"), WorkerState::kReady);
  members_.Expire(kStart + absl::Seconds(6));
  EXPECT_EQ(StateOf("a"), WorkerState::kLost);
  EXPECT_EQ(Beat("a", epoch, 3).code(), absl::StatusCode::kNotFound);
}

TEST_F(MembershipTest, ASecondIncarnationVoidsTheFirst) {
  const uint64_t first = Join("a");
  const uint64_t second = Join("a");
  EXPECT_GT(second, first);
  EXPECT_EQ(Beat("a", first, 0).code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(Beat("a", second, 0).ok());
}

TEST_F(MembershipTest, EpochsRiseEvenAfterAWorkerLeft) {
  const uint64_t first = Join("a");
  ASSERT_TRUE(members_.Leave("a", first).ok());
  EXPECT_GT(Join("a"), first);
}

TEST_F(MembershipTest, LostWorkersMakeRoomForOthers) {
  Join("a");
  Join("b");
  EXPECT_EQ(members_.Register("c", "c:1", "", 8, kStart).status().code(),
            absl::StatusCode::kResourceExhausted);
  members_.Expire(kStart + absl::Seconds(6));
  EXPECT_TRUE(
      members_.Register("c", "c:1", "", 8, kStart + absl::Seconds(6)).ok());
}

TEST_F(MembershipTest, ADrainingWorkerGetsNothingNew) {
  members_.SetPublished(3, kDigest);
  const uint64_t epoch = Join("a");
  WorkerHeartbeat beat{.id = "a",
                       .epoch = epoch,
                       .has_weights = true,
                       .policy_version = 3,
                       .weights_digest = kDigest,
                       .draining = true};
  ASSERT_TRUE(members_.Heartbeat(beat, kStart).ok());
  EXPECT_TRUE(members_.Usable(0).empty());
}

TEST_F(MembershipTest, EachTransitionIsToldOnceWithItsReason) {
  members_.SetPublished(3, kDigest);
  const uint64_t epoch = Join("a");
  ASSERT_TRUE(Beat("a", epoch, 3).ok());
  const auto transitions = members_.TakeTransitions();
  ASSERT_EQ(transitions.size(), 2u);
  EXPECT_EQ(transitions[1].to, WorkerState::kReady);
  EXPECT_EQ(transitions[1].reason, "serves version 3");
  EXPECT_TRUE(members_.TakeTransitions().empty());
}

TEST_F(MembershipTest, MalformedRegistrationsAreRefused) {
  EXPECT_EQ(members_.Register("", "a:1", "", 8, kStart).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(members_.Register("a", "a:1", "", 0, kStart).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace operant::learner
