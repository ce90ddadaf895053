// The running sequences: the slots of one model, a decode step at a time. No
// thread, no lock and no queue, so that a test drives it step by step.
//
// Life of a slot: free -> admitted (prompt to run, or to copy from a slot that
// has it) -> started (a token each step) -> free. What a slot's cache holds of
// a prompt outlives its sample, for the next member of the group.
#ifndef OPERANT_ROLLOUT_DECODE_BATCH_H_
#define OPERANT_ROLLOUT_DECODE_BATCH_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/nn/inference_model.h"
#include "operant/v1/trajectory.pb.h"
#include "rollout/generation_engine.h"
#include "rollout/sampler.h"

namespace operant::rollout {

// An accepted sample.
struct LiveSample {
  SampleRequest request;
  absl::Time accepted;
  std::atomic<bool> cancelled{false};
};

// A sample that has left its slot, and why.
struct FinishedSample {
  std::shared_ptr<LiveSample> sample;
  v1::Trajectory trajectory;
  absl::Status error;  // not OK: it failed, and its finish reason is ABORTED
};

// What a DecodeBatch relies on. InvalidArgument names the trajectory or group.
absl::Status CheckSample(const SampleRequest& sample, int64_t vocab_size,
                         int64_t max_positions);

// The record of a sample that has not sampled anything yet.
v1::Trajectory NewTrajectory(const SampleRequest& request,
                             const std::string& worker_id);

class DecodeBatch {
 public:
  struct Options {
    InferenceModel* model;  // not owned
    int slots;              // of the model
    int64_t max_positions;  // prompt and response together
    std::string worker_id;
  };
  explicit DecodeBatch(const Options& options);

  // The weights of the next step. Running sequences go on with their caches;
  // prompts that were run with other weights are not shared any more.
  void Use(const ActivePolicy& policy);

  int running() const { return running_; }
  int free_slots() const { return static_cast<int>(slots_.size()) - running_; }

  // Gives the sample a free slot; there must be one. Returns how many prompt
  // tokens the next step runs for it: 0 if it shares a prompt.
  int64_t Admit(std::shared_ptr<LiveSample> sample);

  // Runs what was admitted and samples one token of every sequence. Those that
  // end are appended to `finished` and free their slots. On an error every
  // sequence fails.
  void Step(std::vector<FinishedSample>& finished);

  // Frees the slots of cancelled samples, or of all.
  enum class Which { kCancelled, kAll };
  void Abort(Which which, std::vector<FinishedSample>& finished);

  // Sequences whose first token came with the last step.
  const std::vector<std::shared_ptr<LiveSample>>& started() const {
    return started_;
  }
  // Share of the cache's positions in use, 0 to 1.
  double CacheUsage() const;

 private:
  // A prompt in the caches of one or more slots.
  struct Prompt {
    std::shared_ptr<const SampleGroup> group;
    size_t first_slot;          // the slot that runs it
    std::vector<float> logits;  // after its last token; empty until it has run
  };

  struct Slot {
    std::shared_ptr<LiveSample> sample;  // null: free
    std::shared_ptr<Prompt> prompt;      // what the cache begins with
    v1::Trajectory trajectory;
    bool started = false;
    int32_t last_token = 0;
    size_t logits_row = 0;  // of the current step
  };

  size_t FindSlot(const SampleGroup* group) const;
  std::shared_ptr<Prompt> FindPrompt(const SampleGroup* group,
                                     size_t& holder) const;
  void CollectEntries();
  absl::Status RunModel();
  void KeepPrompts();
  void SampleSlot(Slot& slot, std::vector<FinishedSample>& finished);
  void Append(const SampledToken& token, Slot& slot);
  v1::FinishReason FinishOf(const Slot& slot) const;
  void Finish(Slot& slot, v1::FinishReason reason, absl::Status error,
              std::vector<FinishedSample>& finished);
  std::span<const float> LogitsOf(const Slot& slot) const;

  InferenceModel& model_;
  const int64_t max_positions_;
  const std::string worker_id_;
  const size_t vocab_size_;
  ActivePolicy policy_;
  Sampler sampler_;
  std::vector<Slot> slots_;
  int running_ = 0;
  std::vector<std::shared_ptr<LiveSample>> started_;

  // Of the current step.
  std::vector<SlotTokens> entries_;
  std::vector<float> logits_;  // [slots, V]
};

}  // namespace operant::rollout

#endif  // OPERANT_ROLLOUT_DECODE_BATCH_H_
