#include "common/reward_client/batching.h"

#include <numeric>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/reward_client/routing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// One item per letter, whose group is the letter.
std::vector<v1::ScoreItem> Items(const std::string& groups) {
  std::vector<v1::ScoreItem> items;
  for (char group : groups) {
    v1::ScoreItem item;
    item.set_id(absl::StrCat("item", items.size()));
    item.set_group_id(std::string(1, group));
    items.push_back(item);
  }
  return items;
}

absl::StatusOr<std::vector<std::vector<int>>> Batch(
    const std::vector<v1::ScoreItem>& items, const BatchLimits& limits) {
  std::vector<int> all(items.size());
  std::iota(all.begin(), all.end(), 0);
  return MakeBatches(items, all, limits);
}

TEST(BatchingTest, FillsBatchesInOrder) {
  EXPECT_THAT(
      *Batch(Items("aaabb"), {.wanted_items = 2}),
      ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3), ElementsAre(4)));
  EXPECT_THAT(*Batch({}, {}), IsEmpty());
}

TEST(BatchingTest, TheServersLimitBeatsOurWish) {
  EXPECT_EQ(Batch(Items("aaaa"), {.wanted_items = 4, .max_items = 1})->size(),
            4);
}

TEST(BatchingTest, WholeGroupsStayTogetherWhereverTheirItemsAre) {
  const BatchLimits limits = {.wanted_items = 4, .whole_groups = true};
  EXPECT_THAT(*Batch(Items("ababcca"), limits),
              ElementsAre(ElementsAre(0, 2, 6), ElementsAre(1, 3, 4, 5)));
}

TEST(BatchingTest, AGroupLargerThanOurWishTravelsWhole) {
  const BatchLimits limits = {.wanted_items = 2, .whole_groups = true};
  EXPECT_THAT(*Batch(Items("aaab"), limits),
              ElementsAre(ElementsAre(0, 1, 2), ElementsAre(3)));
}

TEST(BatchingTest, AGroupLargerThanTheServersLimitIsRefused) {
  const BatchLimits limits = {.max_items = 2, .whole_groups = true};
  EXPECT_EQ(Batch(Items("aaab"), limits).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(BatchingTest, BytesBoundABatchAndRefuseAnItem) {
  std::vector<v1::ScoreItem> items = Items("aaa");
  for (v1::ScoreItem& item : items) item.set_response(std::string(100, 'x'));
  EXPECT_EQ(Batch(items, {.max_bytes = 250})->size(), 2);
  EXPECT_EQ(Batch(items, {.max_bytes = 50}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

v1::RewardSection TwoEndpoints() {
  v1::RewardSection config;
  config.add_endpoints()->add_data_sources("math");
  config.add_endpoints();
  return config;
}

TEST(RoutingTest, EndpointsTakeTheirSourcesOrAll) {
  std::vector<v1::ScoreItem> items = Items("aaa");
  items[1].set_data_source("math");
  EXPECT_THAT(*RouteItems(TwoEndpoints(), items),
              ElementsAre(ElementsAre(1), ElementsAre(0, 1, 2)));
}

TEST(RoutingTest, ARowThatNobodyTakesIsRefusedByName) {
  v1::RewardSection config = TwoEndpoints();
  config.mutable_endpoints(1)->add_data_sources("code");
  std::vector<v1::ScoreItem> items = Items("a");
  items[0].set_data_source("poetry");
  const absl::Status status = RouteItems(config, items).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("'poetry'"), std::string::npos) << status;
}

}  // namespace
}  // namespace operant
