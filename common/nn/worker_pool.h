// A few threads that do equal parts of one task together.
#ifndef OPERANT_COMMON_NN_WORKER_POOL_H_
#define OPERANT_COMMON_NN_WORKER_POOL_H_

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"

namespace operant {

// Driven by one thread, which does part 0 itself. With one thread there is no
// helper and Run is a plain call.
class WorkerPool {
 public:
  explicit WorkerPool(int threads);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  int threads() const { return static_cast<int>(helpers_.size()) + 1; }

  // Calls part(0) .. part(threads() - 1) concurrently; returns when all have
  // returned. `part` must not throw.
  void Run(absl::FunctionRef<void(int)> part);

 private:
  void Help(int index);

  // std::atomic's wait spins for a moment before it sleeps, which is what a
  // decode loop wants between two steps.
  std::atomic<uint32_t> round_{0};  // odd once stopping
  std::atomic<int> busy_{0};        // helpers that have not finished the round
  const absl::FunctionRef<void(int)>* part_ = nullptr;  // written before round_
  std::vector<std::thread> helpers_;
};

}  // namespace operant

#endif  // OPERANT_COMMON_NN_WORKER_POOL_H_
