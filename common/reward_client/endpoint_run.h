// One endpoint's part of a Score(): its batches and, once run, their answers.
#ifndef OPERANT_COMMON_REWARD_CLIENT_ENDPOINT_RUN_H_
#define OPERANT_COMMON_REWARD_CLIENT_ENDPOINT_RUN_H_

#include <atomic>
#include <cstddef>
#include <functional>
#include <vector>

#include "common/reward_client/answer.h"
#include "common/reward_client/endpoint_client.h"

namespace operant {

// Its items count as pending while it lives.
class EndpointRun {
 public:
  // `client` is not owned. `batches` hold indices into the job's items.
  EndpointRun(EndpointClient* client, std::vector<std::vector<int>> batches);
  ~EndpointRun();
  EndpointRun(const EndpointRun&) = delete;
  EndpointRun& operator=(const EndpointRun&) = delete;

  // Threads that can usefully Work() at once.
  size_t lanes() const;

  // Takes batches until none is left or the job is abandoned. Several threads
  // run it at once. With `stop_at_error`, an error abandons the job.
  void Work(const ScoreJob& job, bool stop_at_error,
            std::atomic<bool>& abandoned);

  // Once no thread works: gives each item's answer away. Items of batches that
  // an abandoned job never sent have none.
  void TakeAnswers(const std::function<void(int index, ItemAnswer)>& take);

 private:
  int items() const;

  EndpointClient* const client_;
  const std::vector<std::vector<int>> batches_;
  std::vector<std::vector<ItemAnswer>> answers_;  // one writer per element
  std::atomic<size_t> next_ = 0;
};

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_ENDPOINT_RUN_H_
