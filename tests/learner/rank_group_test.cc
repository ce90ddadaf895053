// Rank 0's hub and its members over gRPC on loopback.
#include "learner/rank_group.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/base/exit_code.h"
#include "common/base/monotonic_clock.h"
#include "common/base/rpc.h"
#include "common/base/shutdown.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "learner/rank_hub.h"
#include "learner/rank_member.h"

namespace operant::learner {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(30);

RankIdentity Rank(int rank) {
  return {.rank = rank,
          .host = "here",
          .process_id = 100 + rank,
          .world_size = 3,
          .run_id = "run",
          .build = "build"};
}

class RankGroupTest : public testing::Test {
 protected:
  void SetUp() override {
    server_ = *RpcServer::Create({.services = {hub_->service()}});
  }

  absl::StatusOr<std::unique_ptr<RankMember>> Join(
      const RankIdentity& self, absl::Notification* over = nullptr,
      absl::Duration silence = kPatience) {
    return RankMember::Join({.self = self,
                             .coordinator = server_->address(),
                             .wait = kPatience,
                             .silence = silence,
                             .on_verdict = [over](const absl::Status&) {
                               if (over != nullptr) over->Notify();
                             }});
  }
  void JoinBoth() {
    one_ = *Join(Rank(1));
    two_ = *Join(Rank(2));
    ASSERT_TRUE(hub_->AwaitAll(kPatience).ok());
  }
  static std::string EndOf(RankMember& member) {
    const auto order = member.NextOrder(kPatience);
    EXPECT_EQ(ExitCodeFor(order.status()), ExitCode::kResumable);
    return std::string(order.status().message());
  }

  absl::Notification hub_over_;
  std::unique_ptr<RankHub> hub_ = RankHub::Create(
      {.self = Rank(0),
       .limits = {.silence = kPatience},
       .on_verdict = [this](const absl::Status&) { hub_over_.Notify(); }});
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<RankMember> one_, two_;
};

TEST_F(RankGroupTest, OrdersComeInOrderToEveryRank) {
  JoinBoth();
  for (uint64_t step = 0; step < 50; ++step) {
    v1::RankOrder order;
    order.mutable_update()->set_step(step);
    hub_->Send(order);
  }
  for (RankMember* member : {one_.get(), two_.get()}) {
    for (uint64_t step = 0; step < 50; ++step) {
      const auto order = member->NextOrder(kPatience);
      ASSERT_TRUE(order.ok()) << order.status();
      EXPECT_EQ(order->update().step(), step);
    }
  }
  hub_->Finish();
  EXPECT_TRUE(one_->NextOrder(kPatience)->has_stop());
  EXPECT_TRUE(two_->NextOrder(kPatience)->has_stop());
  EXPECT_FALSE(hub_over_.HasBeenNotified());
}

TEST_F(RankGroupTest, TheStoreHoldsWhatAnyRankPut) {
  JoinBoth();
  const absl::Time deadline = MonotonicNow() + kPatience;
  ASSERT_TRUE(one_->Set("from 1", std::string("a\0b", 3)).ok());
  EXPECT_EQ(*two_->Get("from 1", deadline), std::string("a\0b", 3));
  EXPECT_EQ(*hub_->Get("from 1", deadline), std::string("a\0b", 3));
  ASSERT_TRUE(hub_->Set("from 0", "c").ok());
  EXPECT_EQ(*one_->Get("from 0", deadline), "c");
  EXPECT_TRUE(
      absl::IsDeadlineExceeded(one_->Get("never", MonotonicNow()).status()));
}

TEST_F(RankGroupTest, WhoDidNotComeIsNamed) {
  one_ = *Join(Rank(1));
  const absl::Status missing = hub_->AwaitAll(absl::Milliseconds(50));
  EXPECT_TRUE(absl::IsDeadlineExceeded(missing));
  EXPECT_THAT(std::string(missing.message()), HasSubstr("rank 2 of 3"));
}

TEST_F(RankGroupTest, TwoRanksOfOneNumberAreNotBothTaken) {
  one_ = *Join(Rank(1));
  EXPECT_TRUE(absl::IsAlreadyExists(Join(Rank(1)).status()));
}

TEST_F(RankGroupTest, AnAddressThatDoesNotAnswerIsNamed) {
  const std::string address = server_->address();
  server_ = nullptr;
  const absl::Status lost = RankMember::Join({.self = Rank(1),
                                              .coordinator = address,
                                              .wait = absl::Milliseconds(300)})
                                .status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(lost)) << lost;
  EXPECT_THAT(std::string(lost.message()), HasSubstr(address));
}

TEST_F(RankGroupTest, ARankThatGoesIsNamedToAllOthers) {
  JoinBoth();
  two_->Doing("update of step 3");
  one_ = nullptr;
  EXPECT_TRUE(hub_over_.WaitForNotificationWithTimeout(kPatience));
  EXPECT_THAT(std::string(hub_->verdict().message()),
              HasSubstr("stopped because rank 1 (here, process 101) is gone"));
  EXPECT_EQ(EndOf(*two_), hub_->verdict().message());
}

TEST_F(RankGroupTest, AFaultOfOnesOwnIsToldToTheOthersAndKept) {
  JoinBoth();
  const absl::Status own = absl::ResourceExhaustedError("out of memory");
  EXPECT_EQ(one_->Explain(own), own);
  EXPECT_THAT(EndOf(*two_), HasSubstr("rank 1 (here, process 101) failed: "
                                      "out of memory"));
}

// Rank 2 only heard that rank 1 is gone, rank 1 knows why.
TEST_F(RankGroupTest, AVictimGetsTheCulpritsName) {
  JoinBoth();
  absl::Status victim;
  std::thread explains([&] {
    victim = two_->Explain(absl::AbortedError("receiving from rank 1: closed"));
  });
  one_->Explain(absl::InternalError("a bug")).IgnoreError();
  explains.join();
  EXPECT_THAT(std::string(victim.message()),
              HasSubstr("rank 1 (here, process 101) failed: a bug"));
}

TEST_F(RankGroupTest, WithoutRank0AMemberEndsByItself) {
  absl::Notification over;
  auto member = *Join(Rank(1), &over);
  server_->Shutdown(absl::ZeroDuration());
  EXPECT_TRUE(over.WaitForNotificationWithTimeout(kPatience));
  EXPECT_THAT(EndOf(*member), HasSubstr("stopped because rank 0"));
}

TEST(LocalHostTest, IsTheAddressTowardsThePeer) {
  EXPECT_EQ(*LocalHostTowards("127.0.0.1:7070"), "127.0.0.1");
  EXPECT_FALSE(LocalHostTowards("no.such.host.invalid:7070").ok());
}

}  // namespace
}  // namespace operant::learner
