// The threads that compute scores, apart from the threads that talk gRPC.
#ifndef OPERANT_REWARD_SCORING_POOL_H_
#define OPERANT_REWARD_SCORING_POOL_H_

#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

#include "common/base/bounded_queue.h"

namespace operant::reward {

// Thread-safe.
class ScoringPool {
 public:
  using Job = std::function<void()>;

  // `threads` >= 1; at most `queue_jobs` wait.
  ScoringPool(int threads, size_t queue_jobs);
  // Runs what is queued, then ends the threads.
  ~ScoringPool();
  ScoringPool(const ScoringPool&) = delete;
  ScoringPool& operator=(const ScoringPool&) = delete;

  // False if the queue is full: the job will not run.
  bool TryRun(Job job);

 private:
  void Work();

  BoundedQueue<Job> queue_;
  std::vector<std::thread> threads_;
};

}  // namespace operant::reward

#endif  // OPERANT_REWARD_SCORING_POOL_H_
