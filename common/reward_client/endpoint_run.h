// One endpoint's part of a Scoring: the items that wait for it, the calls that
// carry them, and the answers.
//
// While items still come, calls go out early but leave room for the last ones:
//  - what came first waits up to kLinger for others to share its call;
//  - one of the calls that the server takes at once is kept free, so that what
//    comes last is asked for at once;
//  - a server that takes one call at a time gets full batches only, since a
//    call that is under way when the last item comes is waited for.
// Once closed, everything goes out as fast as the server takes it.
#ifndef OPERANT_COMMON_REWARD_CLIENT_ENDPOINT_RUN_H_
#define OPERANT_COMMON_REWARD_CLIENT_ENDPOINT_RUN_H_

#include <atomic>
#include <cstddef>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/reward_client/answer.h"
#include "common/reward_client/batching.h"
#include "common/reward_client/endpoint_client.h"

namespace operant {

// One thread puts; threads of its own call. Its items count as pending while it
// lives.
class EndpointRun {
 public:
  static constexpr absl::Duration kLinger = absl::Milliseconds(20);

  struct Options {
    BatchLimits limits;
    size_t group_items = 0;      // BatchQueue
    bool stop_at_error = false;  // an error abandons the job
  };

  // `client` and what `job` refers to are not owned; `abandoned` is the job's.
  EndpointRun(EndpointClient* client, const ScoreJob& job,
              const Options& options, std::atomic<bool>* abandoned);
  // Waits for the calls under way; to give up the rest, abandon the job before.
  ~EndpointRun();
  EndpointRun(const EndpointRun&) = delete;
  EndpointRun& operator=(const EndpointRun&) = delete;

  // Item `index` of the job is there. InvalidArgument if it does not fit.
  absl::Status Put(int index);
  // Lets calls begin.
  void Start();
  // Nothing more is put: waits until each item has its final answer, or the job
  // is abandoned.
  void Finish();
  // What went wrong, if that abandoned the job.
  absl::Status error() const;
  // After Finish(): gives each answer away. Items that an abandoned job never
  // sent have none.
  void TakeAnswers(const std::function<void(int index, ItemAnswer)>& take);

 private:
  void Work();
  std::vector<int> NextBatch();
  bool MayTake(absl::Time now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void File(const std::vector<int>& batch, std::vector<ItemAnswer> answers);

  EndpointClient* const client_;
  const ScoreJob job_;
  const bool stop_at_error_;
  std::atomic<bool>* const abandoned_;
  std::vector<std::thread> lanes_;  // the putting thread's

  mutable absl::Mutex mu_;
  absl::CondVar changed_;
  BatchQueue queue_ ABSL_GUARDED_BY(mu_);
  absl::Time due_ ABSL_GUARDED_BY(mu_);  // what is ready has waited enough
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  int calls_ ABSL_GUARDED_BY(mu_) = 0;  // under way
  int items_ ABSL_GUARDED_BY(mu_) = 0;  // ever put
  absl::Status error_ ABSL_GUARDED_BY(mu_);
  std::vector<std::pair<int, ItemAnswer>> answers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_ENDPOINT_RUN_H_
