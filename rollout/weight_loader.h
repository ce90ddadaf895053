// Takes a version of the weights from its first frame to the active policy:
// stage, verify, pack, swap. Pushes and fetches share it, so that at most one
// version is on its way in.
#ifndef OPERANT_ROLLOUT_WEIGHT_LOADER_H_
#define OPERANT_ROLLOUT_WEIGHT_LOADER_H_

#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/bounded_queue.h"
#include "common/base/health.h"
#include "common/base/metrics.h"
#include "common/nn/model_config.h"
#include "common/nn/weight_stream.h"
#include "rollout/generation_engine.h"
#include "rollout/policy_store.h"
#include "rollout/weight_metrics.h"

namespace operant::rollout {

class WeightTransfer;

// Thread-safe. Every transfer must be gone before the loader is.
class WeightLoader {
 public:
  struct Options {
    ModelConfig model;
    // Not owned; must outlive the loader. `health` may be null: it becomes
    // ready with the first active version.
    GenerationEngine* engine = nullptr;
    MetricRegistry* metrics = nullptr;
    Health* health = nullptr;
  };
  struct Loaded {
    PolicyVersion policy;
    int64_t pause_ns = 0;  // how long decoding stood still for the swap
  };
  using Done = std::function<void(absl::StatusOr<Loaded>)>;
  struct Status {
    std::optional<PolicyVersion> active;
    std::optional<PolicyVersion> incoming;  // staging or verified
    bool behind = false;  // the learner published something newer
  };

  explicit WeightLoader(const Options& options);  // starts the thread
  ~WeightLoader();  // finishes a load that has begun, joins

  // One stream of frames. Never null.
  std::unique_ptr<WeightTransfer> Begin();

  // What the learner says that it published; see PolicyStore.
  void Publish(const PolicyVersion& published);
  void Rejoin(const std::optional<PolicyVersion>& published);
  Status status() const;

 private:
  friend class WeightTransfer;
  struct Job {
    VerifiedWeights weights;
    absl::Time deadline;
    Done done;
  };

  absl::Status Stage(const PolicyVersion& incoming);
  void Abandon(std::unique_ptr<WeightImage> image);
  absl::Status Enqueue(Job job);
  void Run();
  absl::StatusOr<Loaded> Load(const Job& job);
  void Recycle(std::unique_ptr<WeightImage> image);
  std::unique_ptr<WeightImage> TakeSpare();

  const Options options_;
  WeightMetrics metrics_;
  mutable absl::Mutex mu_;
  PolicyStore store_ ABSL_GUARDED_BY(mu_);
  // The last version's memory, kept for the next one's staging: packed weights
  // do not need it.
  std::unique_ptr<WeightImage> spare_ ABSL_GUARDED_BY(mu_);
  BoundedQueue<Job> jobs_;
  std::thread thread_;
};

// One version on its way in. Destroyed before Load: whatever it staged is
// given up. Not thread-safe.
class WeightTransfer {
 public:
  explicit WeightTransfer(WeightLoader* loader);
  ~WeightTransfer();
  WeightTransfer(const WeightTransfer&) = delete;
  WeightTransfer& operator=(const WeightTransfer&) = delete;

  // Takes the next frame; errors as WeightAssembler::Add and
  // PolicyStore::Stage.
  absl::Status Add(const grpc::ByteBuffer& frame);

  // The stream ended: hands the version to the loader's thread, which packs it
  // and swaps at a decode boundary. `done` is called exactly once, from that
  // thread, or from this call if the stream was not complete. DeadlineExceeded
  // leaves the old version active.
  void Load(absl::Time deadline, WeightLoader::Done done);

 private:
  WeightAssembler::Options AssemblerOptions();
  absl::Status Fail(absl::Status status);  // counts it

  WeightLoader* const loader_;
  const absl::Time begun_;
  bool staged_ = false;
  WeightAssembler assembler_;
};

}  // namespace operant::rollout

#endif  // OPERANT_ROLLOUT_WEIGHT_LOADER_H_
