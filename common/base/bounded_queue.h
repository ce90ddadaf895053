// A FIFO of at most `capacity` items between threads. Its capacity is a stated
// bound, never "large enough".
#ifndef OPERANT_COMMON_BASE_BOUNDED_QUEUE_H_
#define OPERANT_COMMON_BASE_BOUNDED_QUEUE_H_

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace operant {

// Thread-safe. After Close(), pushes are refused and pops drain what is left.
template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t capacity) : capacity_(capacity) {}

  // False, leaving `item` untouched, if the queue is full or closed.
  bool TryPush(T& item) {
    absl::MutexLock lock(&mu_);
    if (closed_ || items_.size() >= capacity_) return false;
    items_.push_back(std::move(item));
    return true;
  }

  // Waits for room until `deadline`. False if none came or the queue closed.
  bool Push(T item, absl::Time deadline) {
    absl::MutexLock lock(&mu_);
    auto room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return closed_ || items_.size() < capacity_;
    };
    if (!mu_.AwaitWithDeadline(absl::Condition(&room), deadline)) return false;
    if (closed_) return false;
    items_.push_back(std::move(item));
    return true;
  }

  // Waits for an item until `deadline`. Nothing if none came, or if the queue
  // is closed and empty.
  std::optional<T> Pop(absl::Time deadline) {
    absl::MutexLock lock(&mu_);
    auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return closed_ || !items_.empty();
    };
    if (!mu_.AwaitWithDeadline(absl::Condition(&ready), deadline)) return {};
    if (items_.empty()) return {};
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    return item;
  }

  std::optional<T> TryPop() { return Pop(absl::InfinitePast()); }

  void Close() {
    absl::MutexLock lock(&mu_);
    closed_ = true;
  }

  size_t size() const {
    absl::MutexLock lock(&mu_);
    return items_.size();
  }
  size_t capacity() const { return capacity_; }

 private:
  const size_t capacity_;
  mutable absl::Mutex mu_;
  std::deque<T> items_ ABSL_GUARDED_BY(mu_);
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_BOUNDED_QUEUE_H_
