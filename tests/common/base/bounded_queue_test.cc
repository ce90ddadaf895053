#include "common/base/bounded_queue.h"

#include <memory>
#include <numeric>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

absl::Time Soon() { return absl::Now() + absl::Milliseconds(20); }
absl::Time Late() { return absl::Now() + absl::Seconds(10); }

TEST(BoundedQueueTest, PopsInTheOrderOfPushes) {
  BoundedQueue<int> queue(3);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(queue.Push(i, Late()));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(queue.Pop(Late()), i);
}

TEST(BoundedQueueTest, RefusesMoreThanItsCapacity) {
  BoundedQueue<std::unique_ptr<int>> queue(1);
  auto first = std::make_unique<int>(1);
  auto second = std::make_unique<int>(2);
  EXPECT_TRUE(queue.TryPush(first));
  EXPECT_FALSE(queue.TryPush(second));
  EXPECT_NE(second, nullptr) << "a refused item stays with the caller";
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_FALSE(queue.Push(std::move(second), Soon()));
}

TEST(BoundedQueueTest, PopOfAnEmptyQueueEndsAtItsDeadline) {
  BoundedQueue<int> queue(1);
  EXPECT_EQ(queue.Pop(Soon()), std::nullopt);
  EXPECT_EQ(queue.TryPop(), std::nullopt);
}

TEST(BoundedQueueTest, AWaitingPushGoesOnWhenRoomComes) {
  BoundedQueue<int> queue(1);
  ASSERT_TRUE(queue.Push(1, Late()));
  bool pushed = false;
  std::thread producer([&] { pushed = queue.Push(2, Late()); });
  EXPECT_EQ(queue.Pop(Late()), 1);
  EXPECT_EQ(queue.Pop(Late()), 2);
  producer.join();
  EXPECT_TRUE(pushed);
}

TEST(BoundedQueueTest, CloseDrainsWhatIsLeftAndRefusesMore) {
  BoundedQueue<int> queue(2);
  ASSERT_TRUE(queue.Push(1, Late()));
  queue.Close();
  int item = 2;
  EXPECT_FALSE(queue.TryPush(item));
  EXPECT_FALSE(queue.Push(2, Late()));
  EXPECT_EQ(queue.Pop(Late()), 1);
  EXPECT_EQ(queue.Pop(Late()), std::nullopt);
}

TEST(BoundedQueueTest, CloseWakesAWaitingPop) {
  BoundedQueue<int> queue(1);
  std::optional<int> popped = 7;
  const absl::Time start = absl::Now();
  std::thread consumer([&] { popped = queue.Pop(Late()); });
  queue.Close();
  consumer.join();
  EXPECT_EQ(popped, std::nullopt);
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
}

TEST(BoundedQueueTest, NothingIsLostOrDoubledBetweenThreads) {
  constexpr int kThreads = 4;
  constexpr int kItems = 2000;
  BoundedQueue<int> queue(8);
  std::vector<int> seen(kThreads * kItems);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&queue, t] {
      for (int i = 0; i < kItems; ++i) queue.Push(t * kItems + i, Late());
    });
    threads.emplace_back([&queue, &seen] {
      for (int i = 0; i < kItems; ++i) ++seen[queue.Pop(Late()).value()];
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(seen, std::vector<int>(kThreads * kItems, 1));
}

}  // namespace
}  // namespace operant
