#include "learner/microbatch.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant::learner {
namespace {

using testing::ElementsAre;
using testing::SizeIs;
using Rows = std::vector<int64_t>;

Rows Flat(const std::vector<Rows>& parts) {
  Rows all;
  for (const Rows& part : parts)
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

Rows UpTo(int64_t n) {
  Rows rows(n);
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

TEST(ShuffledMinibatchesTest, EveryRowIsInExactlyOne) {
  const auto parts = ShuffledMinibatches(10, 4, {1, 2, 0});
  EXPECT_THAT(parts, ElementsAre(SizeIs(4), SizeIs(4), SizeIs(2)));
  Rows all = Flat(parts);
  EXPECT_NE(all, UpTo(10));
  std::ranges::sort(all);
  EXPECT_EQ(all, UpTo(10));
}

TEST(ShuffledMinibatchesTest, ZeroMeansOneMinibatchOfAll) {
  EXPECT_THAT(ShuffledMinibatches(10, 0, {}), ElementsAre(SizeIs(10)));
  EXPECT_TRUE(ShuffledMinibatches(0, 0, {}).empty());
}

TEST(ShuffledMinibatchesTest, OrderDependsOnEachPartOfTheKeyAndNothingElse) {
  const ShuffleKey key = {.seed = 1, .step = 2, .epoch = 3};
  const auto order = [](const ShuffleKey& k) {
    return Flat(ShuffledMinibatches(50, 0, k));
  };
  EXPECT_EQ(order(key), order(key));
  EXPECT_NE(order(key), order({2, 2, 3}));
  EXPECT_NE(order(key), order({1, 3, 3}));
  EXPECT_NE(order(key), order({1, 2, 4}));
}

TEST(PackMicrobatchesTest, PacksByLengthWithinTheBudget) {
  const Rows lengths = {2, 9, 3, 4, 8};
  // 9 and 8 pad to 18; 4, 3 and 2 pad to 12.
  EXPECT_THAT(PackMicrobatches(UpTo(5), lengths, 18),
              ElementsAre(ElementsAre(1, 4), ElementsAre(3, 2, 0)));
}

TEST(PackMicrobatchesTest, ARowLongerThanTheBudgetGoesAlone) {
  const Rows lengths = {5, 30, 5};
  EXPECT_THAT(PackMicrobatches(UpTo(3), lengths, 10),
              ElementsAre(ElementsAre(1), ElementsAre(0, 2)));
}

TEST(PackMicrobatchesTest, NoRowsNeedNoPass) {
  EXPECT_TRUE(PackMicrobatches({}, {}, 10).empty());
}

TEST(BalancedSharesTest, TokensDifferByAtMostOneRow) {
  const std::vector<int64_t> lengths = {9, 1, 4, 4, 7, 2, 8, 3, 5, 6};
  for (const int ranks : {1, 2, 3, 4}) {
    std::vector<int64_t> tokens;
    std::set<int64_t> seen;
    for (const auto& share :
         BalancedShares({0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, lengths, ranks)) {
      int64_t sum = 0;
      for (const int64_t row : share) {
        sum += lengths[row];
        EXPECT_TRUE(seen.insert(row).second) << row;
      }
      tokens.push_back(sum);
    }
    EXPECT_EQ(seen.size(), lengths.size());
    EXPECT_LE(std::ranges::max(tokens) - std::ranges::min(tokens), 9);
  }
}

TEST(BalancedSharesTest, FewerRowsThanRanksLeaveEmptyShares) {
  const std::vector<int64_t> lengths = {5};
  const auto shares = BalancedShares({0}, lengths, 3);
  EXPECT_EQ(shares[0], std::vector<int64_t>{0});
  EXPECT_TRUE(shares[1].empty());
  EXPECT_TRUE(shares[2].empty());
}

}  // namespace
}  // namespace operant::learner
