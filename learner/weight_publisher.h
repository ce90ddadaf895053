// Makes a new version of the weights the one that workers sample with: seal,
// announce, push to every worker at once, collect acknowledgements. A worker
// that misses the push catches up by itself (it fetches what its heartbeat's
// answer announces), so a failed push never fails a step.
//
// One worker does not hold up the others. A push to one that is lost meanwhile
// (no heartbeat) or replaced is given up. Once others have acknowledged, the
// rest get a few times as long as the slowest of those, then the learner goes
// on: a laggard's push runs on to its deadline, and no newer version is pushed
// to it before that has ended.
#ifndef OPERANT_LEARNER_WEIGHT_PUBLISHER_H_
#define OPERANT_LEARNER_WEIGHT_PUBLISHER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/credentials.h"
#include "common/base/metrics.h"
#include "grpcpp/channel.h"
#include "learner/coordinator.h"
#include "operant/v1/weights.pb.h"

namespace operant::learner {

struct PublishReport {
  uint64_t version = 0;
  std::string digest;  // 32 raw bytes
  int workers = 0;     // that were pushed to
  int acknowledged = 0;
  double seconds = 0;
  double max_swap_pause_seconds = 0;
};

// One thread at a time.
class WeightPublisher {
 public:
  // Neither pointer is owned. `to_workers`: as MakeChannel takes it.
  WeightPublisher(Coordinator* coordinator, MetricRegistry* metrics,
                  const std::string& model_digest, absl::Duration push_deadline,
                  ChannelCredentials to_workers = {});
  ~WeightPublisher();  // ends the pushes that still run

  // Called with the digest before any worker hears of the version; an error
  // ends the publication.
  using BeforePush = std::function<absl::Status(const std::string& digest)>;

  // Returns once every worker answered or is not waited for any longer (above),
  // at the push deadline at the latest.
  // InvalidArgument if the image cannot be sealed; the error of `before_push`.
  absl::StatusOr<PublishReport> Publish(
      std::shared_ptr<const WeightImage> image, uint64_t version,
      const BeforePush& before_push = nullptr);

 private:
  struct Push;
  using Pushes = std::vector<std::shared_ptr<Push>>;

  std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address);
  bool Lags(const Worker& worker);
  Pushes StartAll(const std::shared_ptr<const SealedWeights>& sealed);
  // Until each has an answer, or a reason not to wait for it.
  void Await(const Pushes& pushes);
  void GiveUpLost(const Pushes& pushes);
  void GiveUpLaggards(const Pushes& pushes, absl::Duration waited);
  absl::StatusOr<v1::PushResponse> ResultOf(const Push& push);
  void Settle(const Push& push, PublishReport& report);
  void CountFailure(const Push& push, uint64_t version,
                    const absl::Status& cause);
  void PushToAll(const std::shared_ptr<const SealedWeights>& sealed,
                 PublishReport& report);

  Coordinator* const coordinator_;
  MetricRegistry* const metrics_;
  const std::string model_digest_;
  const absl::Duration push_deadline_;
  const ChannelCredentials to_workers_;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_;
  // Given up but not ended, by worker.
  std::map<std::string, std::shared_ptr<Push>> laggards_;
  const std::shared_ptr<absl::Mutex> mu_ = std::make_shared<absl::Mutex>();
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_WEIGHT_PUBLISHER_H_
