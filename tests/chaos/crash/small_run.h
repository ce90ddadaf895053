// A run without models: what a learner makes durable, by the learner's own
// code, of responses and weights that are made up from their numbers.
#ifndef OPERANT_TESTS_CHAOS_CRASH_SMALL_RUN_H_
#define OPERANT_TESTS_CHAOS_CRASH_SMALL_RUN_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/run/run_directory.h"
#include "learner/checkpoint_store.h"
#include "learner/ledger.h"
#include "learner/step_journal.h"
#include "operant/v1/trajectory.pb.h"

namespace operant::chaos {

inline constexpr int kSamplesPerStep = 4;  // of one prompt
inline constexpr uint64_t kStepsPerCheckpoint = 2;
inline constexpr int kKeptCheckpoints = 2;
inline constexpr char kRunName[] = "run";

// The response `index` of `step`, and what a checkpoint of `step` steps holds.
v1::Trajectory SampleOf(uint64_t step, int index);
std::string WeightsOf(uint64_t step);

// One life of it, in ROOT/run. One thread.
class SmallRun {
 public:
  // Told what was acknowledged: "accepted" (how many responses, counted over
  // all steps), "manifests", "steps", "published" and "checkpoint" (how many
  // steps have one, are in it).
  using Acknowledged = std::function<void(std::string_view what, uint64_t n)>;

  // Goes on from the newest checkpoint, if there is one.
  static absl::StatusOr<std::unique_ptr<SmallRun>> Open(
      const std::string& root, Acknowledged acknowledged);

  // Steps in the checkpoint that it goes on from.
  uint64_t resumed_step() const { return resumed_step_; }
  learner::Ledger& ledger() { return *ledger_; }
  uint64_t step() const { return step_; }

  // One step, and its checkpoint if it is due.
  absl::Status Step();

 private:
  SmallRun() = default;
  absl::Status AcceptSamples();
  absl::Status Train();
  absl::Status Checkpoint();

  Acknowledged acknowledged_;
  std::unique_ptr<RunDirectory> directory_;
  std::unique_ptr<learner::CheckpointStore> checkpoints_;
  std::unique_ptr<learner::Ledger> ledger_;
  std::unique_ptr<learner::StepJournal> journal_;
  uint64_t resumed_step_ = 0;
  uint64_t step_ = 0;
};

}  // namespace operant::chaos

#endif  // OPERANT_TESTS_CHAOS_CRASH_SMALL_RUN_H_
