// A worker that missed a push catches up by itself: it fetches the version that
// the learner says is published.
#ifndef OPERANT_ROLLOUT_WEIGHT_FETCHER_H_
#define OPERANT_ROLLOUT_WEIGHT_FETCHER_H_

#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "rollout/weight_loader.h"

namespace operant::rollout {

// When to fetch. Pure; not thread-safe.
class FetchSchedule {
 public:
  // A worker with weights gives a push `grace` to arrive first.
  explicit FetchSchedule(absl::Duration grace) : grace_(grace) {}

  // Whether to fetch now, given what the loader says. A worker without any
  // weights does not wait; one that a push is reaching does.
  bool ShouldFetch(const WeightLoader::Status& status, absl::Time now);

 private:
  const absl::Duration grace_;
  absl::Time behind_since_ = absl::InfiniteFuture();
};

// Thread-safe.
class WeightFetcher {
 public:
  struct Options {
    WeightLoader* loader = nullptr;  // not owned; must outlive the fetcher
    std::shared_ptr<grpc::Channel> source;  // the learner
    std::string worker_id;
    absl::Duration grace = absl::Seconds(1);
    absl::Duration deadline = absl::Seconds(60);  // of one fetch and its swap
  };

  explicit WeightFetcher(Options options);  // starts the thread
  ~WeightFetcher();                         // cancels a fetch under way, joins

  // Call with every heartbeat's answer: the loader learns what is published,
  // and a fetch begins if it is due. A failed fetch is tried again after a
  // further grace.
  void OnPublished(const PolicyVersion& published, absl::Time now);

 private:
  void Run();
  void Fetch(grpc::ClientContext& context);
  absl::Status Receive(grpc::ClientContext& context, absl::Time deadline);

  const Options options_;
  absl::Mutex mu_;
  FetchSchedule schedule_ ABSL_GUARDED_BY(mu_);
  bool due_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  // Of the fetch under way, so that the destructor can cancel it.
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mu_) = nullptr;
  std::thread thread_;
};

}  // namespace operant::rollout

#endif  // OPERANT_ROLLOUT_WEIGHT_FETCHER_H_
