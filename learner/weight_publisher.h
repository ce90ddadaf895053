// Makes a new version of the weights the one that workers sample with: seal,
// announce, push to every worker at once, collect acknowledgements. A worker
// that misses the push catches up by itself (it fetches what its heartbeat's
// answer announces), so a failed push never fails a step.
#ifndef OPERANT_LEARNER_WEIGHT_PUBLISHER_H_
#define OPERANT_LEARNER_WEIGHT_PUBLISHER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/credentials.h"
#include "common/base/metrics.h"
#include "grpcpp/channel.h"
#include "learner/coordinator.h"

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

  // Called with the digest before any worker hears of the version; an error
  // ends the publication.
  using BeforePush = std::function<absl::Status(const std::string& digest)>;

  // Returns once every worker answered or the push deadline is past.
  // InvalidArgument if the image cannot be sealed; the error of `before_push`.
  absl::StatusOr<PublishReport> Publish(
      std::shared_ptr<const WeightImage> image, uint64_t version,
      const BeforePush& before_push = nullptr);

 private:
  std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address);
  void PushToAll(std::shared_ptr<const SealedWeights> sealed,
                 PublishReport& report);
  void CountFailure(const absl::Status& status);

  Coordinator* const coordinator_;
  MetricRegistry* const metrics_;
  const std::string model_digest_;
  const absl::Duration push_deadline_;
  const ChannelCredentials to_workers_;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_WEIGHT_PUBLISHER_H_
