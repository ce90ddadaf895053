#include "learner/staleness_gate.h"

#include <thread>

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace operant::learner {
namespace {

bool MayBegin(StalenessGate& gate, uint64_t step) {
  return gate.AwaitTurn(step, absl::Now());
}

TEST(StalenessGateTest, BoundZeroTakesTurns) {
  StalenessGate gate(/*bound=*/0, /*first_version=*/0);
  EXPECT_TRUE(MayBegin(gate, 0));
  EXPECT_FALSE(MayBegin(gate, 1));
  gate.Published(1);
  EXPECT_TRUE(MayBegin(gate, 1));
  EXPECT_EQ(gate.OldestVersion(1), 1u);
}

TEST(StalenessGateTest, BoundOneRunsOneStepAhead) {
  StalenessGate gate(1, 0);
  EXPECT_TRUE(MayBegin(gate, 1));
  EXPECT_FALSE(MayBegin(gate, 2));
  gate.Published(1);
  EXPECT_TRUE(MayBegin(gate, 2));
  EXPECT_EQ(gate.OldestVersion(2), 1u);
}

TEST(StalenessGateTest, AWaitingStepWakesWhenItsVersionIsPublished) {
  StalenessGate gate(0, 0);
  std::thread publisher([&] { gate.Published(1); });
  EXPECT_TRUE(gate.AwaitTurn(1, absl::Now() + absl::Seconds(10)));
  publisher.join();
}

TEST(StalenessGateTest, ClosingEndsTheWait) {
  StalenessGate gate(0, 0);
  std::thread closer([&] { gate.Close(); });
  EXPECT_FALSE(gate.AwaitTurn(1, absl::Now() + absl::Seconds(10)));
  closer.join();
}

}  // namespace
}  // namespace operant::learner
