// Continuous batching: one thread decodes up to `slots` sequences together and
// refills a finished slot at once.
//
// Life of a sample: waiting -> prefill -> running -> finished (stop, length) or
// aborted. The version that samples each token is recorded; weights change only
// at a decode boundary.
#ifndef OPERANT_ROLLOUT_GENERATION_ENGINE_H_
#define OPERANT_ROLLOUT_GENERATION_ENGINE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/health.h"
#include "common/base/metrics.h"
#include "common/base/philox.h"
#include "common/nn/inference_model.h"
#include "operant/v1/trajectory.pb.h"
#include "rollout/sampler.h"

namespace operant::rollout {

// Everything samples of one request share.
struct SampleGroup {
  std::string group_id;
  std::vector<int32_t> prompt_token_ids;
  Sampling sampling;
  uint64_t run_seed = 0;
  uint64_t prompt_cursor = 0;
};

struct SampleRequest {
  std::shared_ptr<const SampleGroup> group;
  std::string trajectory_id;
  uint32_t sample_index = 0;
  // Called once, from the engine's thread, with the finished or aborted
  // trajectory; must not block or call back into the engine.
  std::function<void(v1::Trajectory)> on_finished;
};

// A version ready to sample with.
struct ActivePolicy {
  uint64_t version = 0;
  std::string weights_digest;  // 32 raw bytes
  std::shared_ptr<const PackedWeights> weights;
};

// Every public method is thread-safe.
class GenerationEngine {
 public:
  struct Options {
    ModelConfig model;
    InferenceModel::Options inference;
    size_t queue_samples = 65536;
    std::string worker_id;
    // A sequence ends on the version it began with: a swap waits until the
    // running sequences are done (deterministic mode).
    bool drain_before_swap = false;
  };

  // Starts the thread. `metrics` and `health` are not owned; may be null.
  static absl::StatusOr<std::unique_ptr<GenerationEngine>> Create(
      const Options& options, MetricRegistry* metrics, Health* health);
  virtual ~GenerationEngine() = default;  // aborts everything, joins

  // All or nothing. InvalidArgument (empty prompt, id outside the vocabulary,
  // sampling out of range, no room for one token), FailedPrecondition (no
  // weights yet), ResourceExhausted (queue full), Unavailable (stopping).
  virtual absl::Status Submit(std::vector<SampleRequest> samples) = 0;

  // Ends the named samples as ABORTED within one decode step; returns how many
  // were waiting or running.
  virtual int Cancel(const std::vector<std::string>& trajectory_ids) = 0;

  // Swaps at the next decode boundary and returns the pause in nanoseconds.
  // DeadlineExceeded leaves the old version active.
  virtual absl::StatusOr<int64_t> Swap(ActivePolicy policy,
                                       absl::Time deadline) = 0;
  // Packs on the caller's thread while decoding goes on.
  virtual absl::StatusOr<std::shared_ptr<const PackedWeights>> Pack(
      const WeightImage& weights) const = 0;

  struct Status {
    bool has_weights = false;
    uint64_t version = 0;
    std::string weights_digest;
    int slots = 0;
    int running = 0;
    int waiting = 0;
  };
  virtual Status status() const = 0;

  // Waits until nothing runs or waits. False at the deadline.
  virtual bool WaitIdle(absl::Time deadline) = 0;
  // Aborts everything that runs or waits.
  virtual int AbortAll() = 0;
};

}  // namespace operant::rollout

#endif  // OPERANT_ROLLOUT_GENERATION_ENGINE_H_
