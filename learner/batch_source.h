// The first half of the loop: NextPrompts, Generate, Score. With a staleness
// bound of 1 it runs ahead of the learner by one step on threads of its own;
// the gate decides when a step may begin.
//
// Each response is scored from the moment it counts, while the others are still
// sampled; what of that is left once all are there does not keep the next
// step's generation from beginning. Scores are filed by the response's place,
// so a batch is the same whatever came first.
#ifndef OPERANT_LEARNER_BATCH_SOURCE_H_
#define OPERANT_LEARNER_BATCH_SOURCE_H_

#include <atomic>
#include <cstddef>
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
  double score_seconds = 0;  // from then on until the last score was there
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

  // Starts the threads. `published` is the version that workers have now.
  BatchSource(const Options& options, const Parts& parts, uint64_t published);
  // Stops them; what is in flight is given up (a resumed run samples it again).
  ~BatchSource();

  // The next step's batch, in order. The error that ended the threads, or
  // Cancelled on shutdown.
  absl::StatusOr<ScoredBatch> Next();
  // Tells that workers were given `version`.
  void Published(uint64_t version);
  // Waits until the responses of `step`, or of the last one before the end, are
  // all accepted and durable; a signal does not end the wait. The error that
  // ended the threads.
  absl::Status AwaitGenerated(uint64_t step);

 private:
  // A step whose responses are there and whose scores may not be.
  struct Generated {
    ScoredBatch batch;
    std::unique_ptr<Scoring> scoring;
    absl::Time at;
  };

  void GenerateSteps();
  void ScoreSteps();
  absl::StatusOr<Generated> Generate(uint64_t step, uint64_t cursor);
  absl::Status Sample(GenerationPlan plan, uint64_t cursor, ScoredBatch& batch,
                      Scoring& scoring);
  GenerationPlan PlanOf(uint64_t step, uint64_t cursor);
  absl::Status AddItem(size_t index, const v1::Trajectory& trajectory,
                       ScoredBatch& batch, Scoring& scoring);
  absl::StatusOr<ScoredBatch> Score(Generated generated);
  void Failed(const absl::Status& status);
  size_t responses() const;

  const Options options_;
  const Parts parts_;
  BufferMetrics buffer_;
  StalenessGate gate_;
  std::atomic<bool> stopping_{false};
  absl::Mutex mu_;
  uint64_t generated_ ABSL_GUARDED_BY(mu_);  // steps below are
  absl::Status failed_ ABSL_GUARDED_BY(mu_);
  BoundedQueue<absl::StatusOr<Generated>> generated_steps_;
  BoundedQueue<absl::StatusOr<ScoredBatch>> scored_steps_;
  std::thread generating_;  // last: they use everything above
  std::thread scoring_;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_BATCH_SOURCE_H_
