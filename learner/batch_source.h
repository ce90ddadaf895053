// The first half of the loop: NextPrompts, Generate, Score. With a staleness
// bound of 1 it runs ahead of the learner by one step on a thread of its own;
// the gate decides when a step may begin.
#ifndef OPERANT_LEARNER_BATCH_SOURCE_H_
#define OPERANT_LEARNER_BATCH_SOURCE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/bounded_queue.h"
#include "common/reward_client/gateway.h"
#include "common/text/prompt_dataset.h"
#include "common/text/tokenizer.h"
#include "learner/buffer_metrics.h"
#include "learner/prompt_source.h"
#include "learner/rollout_client.h"
#include "learner/staleness_gate.h"
#include "operant/v1/trajectory.pb.h"

namespace operant::learner {

// A step's responses with what the reward servers said. Aligned by index,
// ordered by prompt and sample index.
struct ScoredBatch {
  uint64_t step = 0;
  uint64_t next_cursor = 0;  // first prompt of the next step
  std::vector<v1::Trajectory> trajectories;
  std::vector<const PromptRow*> rows;
  std::vector<std::string> responses;  // decoded, valid UTF-8
  std::vector<ItemScore> scores;
  absl::Time began;  // when its first sample was asked for
  double generate_seconds = 0;
  double score_seconds = 0;
};

class BatchSource {
 public:
  struct Options {
    std::string run_id;
    uint64_t run_seed = 0;
    int prompts_per_step = 64;
    int samples_per_prompt = 8;
    v1::SamplingParams sampling;
    int32_t vocab_size = 0;
    // The first step to make and its first prompt.
    uint64_t first_step = 0;
    uint64_t first_cursor = 0;
    uint64_t staleness = 0;
    uint64_t end_step = 0;  // steps from here on are not made; 0: no end
    // Every response of a step is of the oldest version that it may be of: the
    // caller awaits a step's generation before it publishes the next version.
    bool one_version = false;
  };
  // Everything it uses, not owned; must outlive it.
  struct Parts {
    PromptSource* prompts;
    RolloutClient* rollouts;
    RewardGateway* rewards;
    const Tokenizer* tokenizer;
    Ledger* ledger = nullptr;           // null: nothing is written down
    MetricRegistry* metrics = nullptr;  // operant_buffer_*; null: nobody looks
  };

  // Starts the thread. `published` is the version that workers have now.
  BatchSource(const Options& options, const Parts& parts, uint64_t published);
  // Stops it; what is in flight is given up (a resumed run samples it again).
  ~BatchSource();

  // The next step's batch, in order. The error that ended the thread, or
  // Cancelled on shutdown.
  absl::StatusOr<ScoredBatch> Next();
  // Tells that workers were given `version`.
  void Published(uint64_t version);
  // Waits until the responses of `step`, or of the last one before the end, are
  // all accepted and durable; a signal does not end the wait. The error that
  // ended the thread.
  absl::Status AwaitGenerated(uint64_t step);

 private:
  void Run();
  absl::StatusOr<ScoredBatch> Make(uint64_t step, uint64_t cursor);
  absl::Status Generate(ScoredBatch& batch, uint64_t cursor);
  absl::Status Score(ScoredBatch& batch);

  const Options options_;
  const Parts parts_;
  BufferMetrics buffer_;
  StalenessGate gate_;
  std::atomic<bool> stopping_{false};
  absl::Mutex mu_;
  uint64_t generated_ ABSL_GUARDED_BY(mu_);  // steps below are
  absl::Status failed_ ABSL_GUARDED_BY(mu_);
  BoundedQueue<absl::StatusOr<ScoredBatch>> queue_;
  std::thread thread_;  // last: it uses everything above
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_BATCH_SOURCE_H_
