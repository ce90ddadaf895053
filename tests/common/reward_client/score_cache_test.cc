#include "common/reward_client/score_cache.h"

#include "gtest/gtest.h"

namespace operant {
namespace {

v1::ScoreItem Item(const std::string& response) {
  v1::ScoreItem item;
  item.set_id("a");
  item.set_response(response);
  item.set_ground_truth("42");
  auto& fields = *item.mutable_metadata()->mutable_fields();
  for (const char* name : {"a", "b", "c"}) fields[name].set_number_value(1);
  return item;
}

ItemAnswer Scored(double score) {
  ItemAnswer answer;
  answer.outcome = AnswerOutcome::kOk;
  answer.score = score;
  return answer;
}

TEST(ScoreCacheTest, KeyIsOfTheContentAlone) {
  v1::ScoreItem same = Item("x");
  same.set_id("b");
  same.set_group_id("g");
  same.set_sample_index(3);
  same.set_policy_version(7);
  EXPECT_EQ(CacheKey(same), CacheKey(Item("x")));
  EXPECT_NE(CacheKey(Item("x")), CacheKey(Item("y")));
  v1::ScoreItem other = Item("x");
  other.set_ground_truth("43");
  EXPECT_NE(CacheKey(other), CacheKey(Item("x")));
  other = Item("x");
  (*other.mutable_metadata()->mutable_fields())["a"].set_number_value(2);
  EXPECT_NE(CacheKey(other), CacheKey(Item("x")));
}

TEST(ScoreCacheTest, OldestLeaveFirst) {
  ScoreCache cache(2);
  for (const char* key : {"a", "b", "a", "c"}) cache.Remember(key, Scored(1));
  EXPECT_FALSE(cache.Find("a").has_value());
  EXPECT_TRUE(cache.Find("b").has_value());
  EXPECT_TRUE(cache.Find("c").has_value());
  cache.Clear();
  EXPECT_FALSE(cache.Find("c").has_value());
}

TEST(ScoreCacheTest, ErrorsAreNotRemembered) {
  ScoreCache cache(2);
  cache.Remember("a", ErrorAnswer(AnswerOutcome::kTimeout,
                                  absl::DeadlineExceededError("late"), true));
  EXPECT_FALSE(cache.Find("a").has_value());
}

TEST(ScoreCacheTest, OnlyDeterministicItemwiseServersAreCached) {
  v1::GetInfoResponse info;
  EXPECT_FALSE(IsCacheable(info));
  info.set_deterministic(true);
  EXPECT_TRUE(IsCacheable(info));
  info.add_needs(v1::GetInfoResponse::WHOLE_GROUP);
  EXPECT_FALSE(IsCacheable(info));
}

}  // namespace
}  // namespace operant
