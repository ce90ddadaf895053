#include "common/reward_client/batching.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
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

std::vector<std::vector<int>> TakeAll(BatchQueue& queue) {
  std::vector<std::vector<int>> batches;
  while (queue.ready_items() > 0) batches.push_back(queue.Take());
  return batches;
}

// Of items that are all there.
absl::StatusOr<std::vector<std::vector<int>>> Batch(
    const std::vector<v1::ScoreItem>& items, const BatchLimits& limits) {
  BatchQueue queue(limits, /*group_items=*/0);
  for (size_t i = 0; i < items.size(); ++i) {
    RETURN_IF_ERROR(queue.Add(static_cast<int>(i), items[i]));
  }
  queue.Close();
  return TakeAll(queue);
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

TEST(BatchingTest, SingleItemsAreReadyAtOnce) {
  BatchQueue queue({}, /*group_items=*/2);
  EXPECT_TRUE(queue.Add(7, Items("a")[0]).ok());
  EXPECT_THAT(TakeAll(queue), ElementsAre(ElementsAre(7)));
}

TEST(BatchingTest, AGroupIsReadyOnceItIsWholeAndTheRestAtTheEnd) {
  const std::vector<v1::ScoreItem> items = Items("abcb");
  BatchQueue queue({.whole_groups = true}, /*group_items=*/2);
  for (int i : {2, 1, 0}) EXPECT_TRUE(queue.Add(i, items[i]).ok());
  EXPECT_THAT(TakeAll(queue), IsEmpty());
  EXPECT_TRUE(queue.Add(3, items[3]).ok());
  EXPECT_THAT(TakeAll(queue), ElementsAre(ElementsAre(1, 3)));
  queue.Close();
  EXPECT_THAT(TakeAll(queue), ElementsAre(ElementsAre(0, 2)));
}

TEST(BatchingTest, AnItemThatIsRefusedLeavesItsGroupAsItWas) {
  std::vector<v1::ScoreItem> items = Items("aaa");
  items[1].set_response(std::string(100, 'x'));
  BatchQueue queue({.max_bytes = 80, .whole_groups = true}, 0);
  EXPECT_TRUE(queue.Add(0, items[0]).ok());
  EXPECT_FALSE(queue.Add(1, items[1]).ok());
  EXPECT_TRUE(queue.Add(2, items[2]).ok());
  queue.Close();
  EXPECT_THAT(TakeAll(queue), ElementsAre(ElementsAre(0, 2)));
}

v1::RewardSection TwoEndpoints() {
  v1::RewardSection config;
  config.add_endpoints()->add_data_sources("math");
  config.add_endpoints();
  return config;
}

v1::ScoreItem Row(const std::string& data_source) {
  v1::ScoreItem item;
  item.set_data_source(data_source);
  return item;
}

TEST(RoutingTest, EndpointsTakeTheirSourcesOrAll) {
  EXPECT_THAT(*EndpointsFor(TwoEndpoints(), Row("math")), ElementsAre(0, 1));
  EXPECT_THAT(*EndpointsFor(TwoEndpoints(), Row("")), ElementsAre(1));
}

TEST(RoutingTest, ARowThatNobodyTakesIsRefusedByName) {
  v1::RewardSection config = TwoEndpoints();
  config.mutable_endpoints(1)->add_data_sources("code");
  const absl::Status status = EndpointsFor(config, Row("poetry")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("'poetry'"), std::string::npos) << status;
}

}  // namespace
}  // namespace operant
