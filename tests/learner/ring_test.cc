#include "learner/ring.h"

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant::learner {
namespace {

TEST(PartOfTest, PartsAreInOrderWithoutGapsAndDifferByOneAtMost) {
  for (const int64_t elements : {0, 1, 3, 8, 1003}) {
    for (const int n : {1, 2, 4, 7}) {
      int64_t next = 0;
      for (int i = 0; i < n; ++i) {
        const RingPart part = PartOf(elements, n, i);
        EXPECT_EQ(part.begin, next);
        EXPECT_LE(std::abs(part.size() - elements / n), 1);
        next = part.end;
      }
      EXPECT_EQ(next, elements);
    }
  }
}

// A ring without a transport: every rank's parts, as sets of whose they hold.
class PlayedRing {
 public:
  explicit PlayedRing(int n) : n_(n), held_(n, std::vector<std::set<int>>(n)) {
    for (int rank = 0; rank < n; ++rank) {
      for (int part = 0; part < n; ++part) held_[rank][part] = {rank};
    }
  }
  void Reduce() {
    for (int turn = 0; turn + 1 < n_; ++turn) {
      const auto before = held_;
      for (int rank = 0; rank < n_; ++rank) {
        const int from = (rank + n_ - 1) % n_;
        const int part = ReduceTurn(rank, n_, turn).receive;
        EXPECT_EQ(ReduceTurn(from, n_, turn).send, part);
        held_[rank][part].insert(before[from][part].begin(),
                                 before[from][part].end());
      }
    }
  }
  void Gather() {
    for (int turn = 0; turn + 1 < n_; ++turn) {
      const auto before = held_;
      for (int rank = 0; rank < n_; ++rank) {
        const int from = (rank + n_ - 1) % n_;
        const int part = GatherTurn(rank, n_, turn).receive;
        EXPECT_EQ(GatherTurn(from, n_, turn).send, part);
        held_[rank][part] = before[from][part];
      }
    }
  }
  size_t Contributions(int rank, int part) const {
    return held_[rank][part].size();
  }

 private:
  const int n_;
  std::vector<std::vector<std::set<int>>> held_;
};

TEST(RingTest, EachRankEndsWithTheWholeSumOfItsPartAndThenOfAll) {
  for (const int n : {1, 2, 3, 4, 8}) {
    PlayedRing ring(n);
    ring.Reduce();
    for (int rank = 0; rank < n; ++rank)
      EXPECT_EQ(ring.Contributions(rank, rank), size_t(n)) << n;
    ring.Gather();
    for (int rank = 0; rank < n; ++rank) {
      for (int part = 0; part < n; ++part)
        EXPECT_EQ(ring.Contributions(rank, part), size_t(n)) << n;
    }
  }
}

TEST(CombineTest, AddsOrTakesTheLargerInEveryType) {
  std::vector<float> floats = {1, -2, 3}, other_floats = {0.5f, 4, -1};
  Combine(ElementType::kFloat, Reduction::kSum, floats.data(),
          other_floats.data(), 3);
  EXPECT_THAT(floats, testing::ElementsAre(1.5f, 2, 2));
  std::vector<double> doubles = {1, -2}, other_doubles = {0, 5};
  Combine(ElementType::kDouble, Reduction::kMax, doubles.data(),
          other_doubles.data(), 2);
  EXPECT_THAT(doubles, testing::ElementsAre(1, 5));
  std::vector<int64_t> integers = {7}, other_integers = {1LL << 40};
  Combine(ElementType::kInt64, Reduction::kSum, integers.data(),
          other_integers.data(), 1);
  EXPECT_EQ(integers[0], (1LL << 40) + 7);
}

TEST(CombineTest, ANanInEitherStays) {
  for (const Reduction reduction : {Reduction::kSum, Reduction::kMax}) {
    std::vector<float> into = {NAN, 1}, from = {1, NAN};
    Combine(ElementType::kFloat, reduction, into.data(), from.data(), 2);
    EXPECT_TRUE(std::isnan(into[0]) && std::isnan(into[1]));
  }
}

}  // namespace
}  // namespace operant::learner
