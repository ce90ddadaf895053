#include "common/nn/worker_pool.h"

#include <algorithm>

namespace operant {

WorkerPool::WorkerPool(int threads) {
  for (int i = 1; i < std::max(threads, 1); ++i) {
    helpers_.emplace_back([this, i] { Help(i); });
  }
}

WorkerPool::~WorkerPool() {
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void WorkerPool::Run(absl::FunctionRef<void(int)> part) {
  if (helpers_.empty()) return part(0);
  part_ = &part;
  busy_.store(threads() - 1, std::memory_order_relaxed);
  round_.fetch_add(2, std::memory_order_release);
  round_.notify_all();
  part(0);
  for (int busy; (busy = busy_.load(std::memory_order_acquire)) != 0;) {
    busy_.wait(busy, std::memory_order_acquire);
  }
}

void WorkerPool::Help(int index) {
  for (uint32_t seen = 0;;) {
    round_.wait(seen, std::memory_order_acquire);
    seen = round_.load(std::memory_order_acquire);
    if (seen % 2 != 0) return;
    (*part_)(index);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

}  // namespace operant
