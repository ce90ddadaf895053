// The coordinator: membership behind gRPC, and the source of the newest
// weights. Served by rank 0 of the learner.
#ifndef OPERANT_LEARNER_COORDINATOR_H_
#define OPERANT_LEARNER_COORDINATOR_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/metrics.h"
#include "common/nn/weight_stream.h"
#include "grpcpp/impl/codegen/service_type.h"
#include "learner/membership.h"

namespace operant::learner {

// Thread-safe.
class Coordinator {
 public:
  struct Options {
    std::string run_id;
    std::string model_config_json;
    std::string model_digest;
    std::string tokenizer_digest;
    std::string config_yaml;  // resolved
    absl::Duration heartbeat_interval = absl::Milliseconds(500);
    Membership::Limits limits;
  };

  // `metrics` is not owned.
  static std::unique_ptr<Coordinator> Create(const Options& options,
                                             MetricRegistry* metrics);
  virtual ~Coordinator() = default;

  // CoordinatorService and WeightSourceService, to be given to an RpcServer
  // that dies before this object.
  virtual std::vector<grpc::Service*> services() = 0;

  // Makes `weights` the version that workers must have.
  virtual void SetPublished(std::shared_ptr<const SealedWeights> weights) = 0;
  // What a push's acknowledgement said.
  virtual void RecordServing(const Worker& worker, uint64_t version,
                             const std::string& digest) = 0;

  // What was published before this process began.
  virtual void RememberPublished(
      const std::map<uint64_t, std::string>& digests) = 0;
  // Digest of each version that was published, the newest ones.
  virtual std::map<uint64_t, std::string> published() = 0;

  // Expires silent workers first. By id.
  virtual std::vector<Worker> workers() = 0;
  virtual std::vector<Worker> Usable(uint64_t min_version) = 0;
  // Waits until a worker can sample with `min_version`. False at the deadline.
  virtual bool AwaitUsable(uint64_t min_version, absl::Time deadline) = 0;

  // Heartbeats are answered with run_finished from now on.
  virtual void FinishRun() = 0;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_COORDINATOR_H_
