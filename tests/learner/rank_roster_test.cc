#include "learner/rank_roster.h"

#include <string>

#include "common/base/exit_code.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant::learner {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::Time At(double seconds) {
  return absl::UnixEpoch() + absl::Seconds(seconds);
}

RankIdentity Rank(int rank) {
  return {.rank = rank,
          .host = "node" + std::to_string(rank),
          .process_id = 100 + rank,
          .world_size = 4,
          .run_id = "run",
          .build = "build",
          .model_digest = "model",
          .config_yaml = "learner:\n  microbatch_tokens: 8\n"};
}

// Four ranks, all there at 0 s; silence is 10 s, reports come every 0.25 s.
class RankRosterTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int rank = 1; rank < 4; ++rank)
      ASSERT_TRUE(roster_.Join(Rank(rank), At(0)).ok());
  }
  void HearAllBut(int silent, double seconds) {
    for (int rank = 1; rank < 4; ++rank) {
      if (rank == silent) continue;
      roster_.Heard(rank, "update of step 7", At(seconds)).IgnoreError();
    }
  }
  std::string verdict() const {
    return std::string(roster_.verdict().message());
  }

  RankRoster roster_{Rank(0), {.silence = absl::Seconds(10)}};
};

TEST(RankRosterJoinTest, TellsWhoIsMissing) {
  RankRoster roster(Rank(0), {});
  EXPECT_THAT(roster.missing(), ElementsAre(1, 2, 3));
  ASSERT_TRUE(roster.Join(Rank(2), At(0)).ok());
  EXPECT_THAT(roster.missing(), ElementsAre(1, 3));
}

TEST_F(RankRosterTest, ASecondProcessOfOneNumberIsRefusedAndBothAreNamed) {
  RankIdentity second = Rank(2);
  second.host = "elsewhere";
  const absl::Status refused = roster_.Join(second, At(1));
  EXPECT_TRUE(absl::IsAlreadyExists(refused));
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr("elsewhere"), HasSubstr("node2, process 102")));
  EXPECT_TRUE(roster_.verdict().ok());
}

TEST(RankRosterJoinTest, WhatRanksMustShareIsNamedWithBothValues) {
  RankRoster roster(Rank(0), {});
  const auto refusal = [&](auto change) {
    RankIdentity rank = Rank(1);
    change(rank);
    const absl::Status status = roster.Join(rank, At(0));
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(refusal([](RankIdentity& r) { r.build = "other"; }),
              HasSubstr("build=other, rank 0 has build"));
  EXPECT_THAT(refusal([](RankIdentity& r) { r.model_digest = "m2"; }),
              HasSubstr("model digest=m2, rank 0 has model"));
  EXPECT_THAT(refusal([](RankIdentity& r) { r.world_size = 3; }),
              HasSubstr("world size=3, rank 0 has 4"));
  EXPECT_THAT(refusal([](RankIdentity& r) { r.run_id = "r2"; }),
              HasSubstr("run=r2, rank 0 has run"));
  EXPECT_THAT(refusal([](RankIdentity& r) {
                r.config_yaml = "learner:\n  microbatch_tokens: 9\n";
              }),
              AllOf(HasSubstr("microbatch_tokens: 9"),
                    HasSubstr("microbatch_tokens: 8")));
  EXPECT_THAT(roster.missing(), ElementsAre(1, 2, 3));
}

TEST(RankRosterJoinTest, ANumberOutOfRangeIsRefused) {
  RankRoster roster(Rank(0), {});
  EXPECT_TRUE(absl::IsInvalidArgument(roster.Join(Rank(4), At(0))));
  EXPECT_TRUE(absl::IsInvalidArgument(roster.Join(Rank(0), At(0))));
}

TEST_F(RankRosterTest, ALostRankIsNamedAtOnce) {
  HearAllBut(0, 1);
  roster_.Lost(3, At(1));
  EXPECT_EQ(verdict(),
            "stopped because rank 3 (node3, process 103) is gone (update of "
            "step 7)");
  EXPECT_EQ(ExitCodeFor(roster_.verdict()), ExitCode::kResumable);
}

// Its neighbours see closed connections, and may be heard first.
TEST_F(RankRosterTest, WhatNeighboursSayWaitsForTheLostRank) {
  HearAllBut(0, 1);
  roster_.Failed(1, absl::AbortedError("receiving from rank 0: closed"), At(1));
  roster_.Failed(0, absl::AbortedError("receiving from rank 3: closed"),
                 At(1.1));
  roster_.Tick(At(1.2));
  EXPECT_TRUE(roster_.verdict().ok());
  roster_.Lost(3, At(1.3));
  EXPECT_THAT(verdict(), HasSubstr("rank 3 (node3, process 103) is gone"));
}

TEST_F(RankRosterTest, ASilentRankIsNamedAfterTheSilence) {
  HearAllBut(2, 9.9);
  roster_.Tick(At(10));
  EXPECT_TRUE(roster_.verdict().ok());
  roster_.Tick(At(10.1));
  EXPECT_THAT(verdict(), HasSubstr("rank 2 (node2, process 102) said nothing"));
}

// An exchange that began before the rank was paused ends before the silence.
TEST_F(RankRosterTest, ADeadlineIsThePausedRanksAndNotItsNeighbours) {
  HearAllBut(2, 5);
  roster_.Failed(0, absl::DeadlineExceededError("receiving from rank 3"),
                 At(5));
  roster_.Failed(3, absl::DeadlineExceededError("receiving from rank 2"),
                 At(5.1));
  HearAllBut(2, 5.4);
  roster_.Tick(At(5.5));
  EXPECT_THAT(verdict(), HasSubstr("rank 2 (node2, process 102) was waited"));
}

// All report, one waits for nothing: it computes, or loops, for too long.
TEST_F(RankRosterTest, ADeadlineIsOfTheOneThatDoesNotWait) {
  HearAllBut(0, 5);
  for (const int rank : {0, 1, 3})
    roster_.Failed(rank, absl::DeadlineExceededError("late"), At(5));
  HearAllBut(0, 5.4);
  roster_.Tick(At(5.5));
  EXPECT_THAT(verdict(), HasSubstr("rank 2 (node2, process 102) was waited"));
}

TEST_F(RankRosterTest, WhatARankSaysOfItselfIsItsVerdict) {
  roster_.Failed(1, absl::ResourceExhaustedError("out of memory"), At(1));
  EXPECT_THAT(verdict(),
              HasSubstr("rank 1 (node1, process 101) failed: out of memory"));
}

TEST_F(RankRosterTest, TheFirstVerdictStays) {
  roster_.Lost(3, At(1));
  roster_.Lost(2, At(2));
  EXPECT_THAT(verdict(), HasSubstr("rank 3"));
  EXPECT_TRUE(absl::IsAborted(roster_.Heard(1, "", At(2))));
  EXPECT_TRUE(absl::IsAborted(roster_.Join(Rank(1), At(2))));
}

TEST_F(RankRosterTest, AfterTheEndOfTheRunNobodyIsMissed) {
  roster_.Finish();
  roster_.Lost(3, At(1));
  roster_.Tick(At(100));
  EXPECT_TRUE(roster_.verdict().ok());
  EXPECT_THAT(roster_.missing(), IsEmpty());
}

TEST_F(RankRosterTest, AStrangerIsNotHeard) {
  EXPECT_TRUE(absl::IsNotFound(roster_.Heard(7, "", At(1))));
}

}  // namespace
}  // namespace operant::learner
