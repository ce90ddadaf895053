#include "reward/scoring_pool.h"

#include <optional>

#include "absl/time/time.h"

namespace operant::reward {

ScoringPool::ScoringPool(int threads, size_t queue_jobs) : queue_(queue_jobs) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back(&ScoringPool::Work, this);
  }
}

ScoringPool::~ScoringPool() {
  queue_.Close();
  for (std::thread& thread : threads_) thread.join();
}

bool ScoringPool::TryRun(Job job) { return queue_.TryPush(job); }

void ScoringPool::Work() {
  // An idle thread may wait for ever: Close() ends the wait.
  while (std::optional<Job> job = queue_.Pop(absl::InfiniteFuture())) (*job)();
}

}  // namespace operant::reward
