#include "rollout/policy_store.h"

#include <optional>
#include <string>

#include "gtest/gtest.h"

namespace operant::rollout {
namespace {

PolicyVersion Version(uint64_t version, char digest = 'a') {
  return {version, std::string(32, digest)};
}

PolicyStore Serving(const PolicyVersion& version) {
  PolicyStore store;
  EXPECT_TRUE(store.Stage(version).ok());
  EXPECT_TRUE(store.Verify(version).ok());
  EXPECT_TRUE(store.Activate(version).ok());
  return store;
}

TEST(PolicyStoreTest, AVersionBecomesActiveInThreeTransitions) {
  PolicyStore store;
  EXPECT_EQ(store.Stage(Version(0)), absl::OkStatus());
  EXPECT_EQ(store.incoming(), Version(0));
  EXPECT_EQ(store.active(), std::nullopt);
  EXPECT_EQ(store.Verify(Version(0)), absl::OkStatus());
  EXPECT_EQ(store.active(), std::nullopt);
  EXPECT_EQ(store.Activate(Version(0)), absl::OkStatus());
  EXPECT_EQ(store.active(), Version(0));
  EXPECT_EQ(store.incoming(), std::nullopt);
}

TEST(PolicyStoreTest, NoTransitionIsSkipped) {
  PolicyStore store;
  EXPECT_TRUE(absl::IsFailedPrecondition(store.Verify(Version(1))));
  EXPECT_TRUE(absl::IsFailedPrecondition(store.Activate(Version(1))));
  ASSERT_TRUE(store.Stage(Version(1)).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(store.Activate(Version(1))));
  EXPECT_TRUE(absl::IsFailedPrecondition(store.Verify(Version(2))));
  EXPECT_TRUE(absl::IsFailedPrecondition(store.Verify(Version(1, 'b'))));
  ASSERT_TRUE(store.Verify(Version(1)).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(store.Verify(Version(1))));
}

TEST(PolicyStoreTest, OneVersionAtATimeIsOnItsWayIn) {
  PolicyStore store;
  ASSERT_TRUE(store.Stage(Version(1)).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(store.Stage(Version(2))));
  store.Abandon();
  EXPECT_EQ(store.Stage(Version(2)), absl::OkStatus());
}

TEST(PolicyStoreTest, OnlyANewerVersionIsStaged) {
  PolicyStore store = Serving(Version(5));
  EXPECT_TRUE(absl::IsFailedPrecondition(store.Stage(Version(4))));
  EXPECT_TRUE(absl::IsFailedPrecondition(store.Stage(Version(5, 'b'))));
  EXPECT_EQ(store.Stage(Version(6)), absl::OkStatus());
}

TEST(PolicyStoreTest, AbandoningKeepsTheActiveVersion) {
  PolicyStore store = Serving(Version(5));
  ASSERT_TRUE(store.Stage(Version(6)).ok());
  ASSERT_TRUE(store.Verify(Version(6)).ok());
  store.Abandon();
  EXPECT_EQ(store.active(), Version(5));
  EXPECT_TRUE(absl::IsFailedPrecondition(store.Activate(Version(6))));
}

TEST(PolicyStoreTest, OnlyThePublishedDigestIsStaged) {
  PolicyStore store;
  store.Publish(Version(1, 'a'));
  EXPECT_TRUE(absl::IsDataLoss(store.Stage(Version(1, 'b'))));
  EXPECT_EQ(store.Stage(Version(1, 'a')), absl::OkStatus());
}

TEST(PolicyStoreTest, IsBehindUntilThePublishedVersionIsActive) {
  PolicyStore store;
  EXPECT_FALSE(store.behind());
  store.Publish(Version(0));
  EXPECT_TRUE(store.behind());
  store = Serving(Version(0));
  store.Publish(Version(0));
  EXPECT_FALSE(store.behind());
  store.Publish(Version(1));
  EXPECT_TRUE(store.behind());
}

TEST(PolicyStoreTest, ALearnerThatResumedEarlierMayPublishAnOlderVersion) {
  PolicyStore store = Serving(Version(5));
  store.Rejoin(Version(3));
  EXPECT_TRUE(store.behind());
  ASSERT_EQ(store.Stage(Version(3)), absl::OkStatus());
  ASSERT_EQ(store.Verify(Version(3)), absl::OkStatus());
  ASSERT_EQ(store.Activate(Version(3)), absl::OkStatus());
  EXPECT_FALSE(store.behind());
  // From here the order counts again.
  EXPECT_TRUE(absl::IsFailedPrecondition(store.Stage(Version(2))));
}

TEST(PolicyStoreTest, ARestartedLearnerMayNotHavePublishedYet) {
  PolicyStore store = Serving(Version(5));
  store.Rejoin(std::nullopt);
  EXPECT_FALSE(store.behind());
  EXPECT_EQ(store.Stage(Version(0)), absl::OkStatus());
}

TEST(PolicyStoreTest, RejoiningTheSameLearnerKeepsTheOrder) {
  PolicyStore store = Serving(Version(5));
  store.Rejoin(Version(5));
  EXPECT_TRUE(absl::IsFailedPrecondition(store.Stage(Version(4))));
  store.Rejoin(Version(6));
  EXPECT_TRUE(absl::IsFailedPrecondition(store.Stage(Version(4))));
}

}  // namespace
}  // namespace operant::rollout
