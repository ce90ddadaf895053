// The loop, whole: NextPrompts -> Generate -> Score -> BuildExperience ->
// Update -> Publish, and what is due after a step.
#ifndef OPERANT_LEARNER_TRAIN_LOOP_H_
#define OPERANT_LEARNER_TRAIN_LOOP_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "common/base/health.h"
#include "learner/batch_source.h"
#include "learner/checkpoint_store.h"
#include "learner/evaluation_summary.h"
#include "learner/kl_controller.h"
#include "learner/policy_trainer.h"
#include "learner/run_recorder.h"
#include "learner/step_journal.h"
#include "learner/weight_publisher.h"
#include "operant/v1/config.pb.h"

namespace operant::learner {

// Not thread-safe: one thread runs it.
class TrainLoop {
 public:
  // Not owned; all must outlive the loop.
  struct Parts {
    BatchSource* source;
    PolicyTrainer* trainer;
    WeightPublisher* publisher;
    RunRecorder* recorder;
    CheckpointStore* checkpoints;
    StepJournal* journal;
    Health* health;
    // Writes the files of a checkpoint of `state` into an empty folder.
    std::function<absl::Status(const TrainerState& state,
                               const std::string& folder)>
        write_checkpoint;
    // Evaluates the published policy with eval.samples responses. Null: no
    // held-out prompts.
    std::function<absl::StatusOr<EvaluationSummary>(uint64_t policy_version)>
        evaluate;
  };

  // Goes on from `state`; `saved`: it is that of a checkpoint. `config` is
  // resolved.
  TrainLoop(const v1::RunConfig& config, const Parts& parts,
            const TrainerState& state, bool saved);

  // Steps until learner.steps or learner.max_seconds; then, or when a signal
  // came or a limit of `stop:` was passed, saves. Returns OK (done), Cancelled
  // with the signal's exit code, or the error that ended it.
  absl::Status Run();

  const TrainerState& state() const { return state_; }

 private:
  bool Done() const;
  double Progress() const;
  absl::Status Step();
  absl::StatusOr<UpdateStats> UpdateUnlessNotFinite(
      const absl::StatusOr<BuiltExperience>& built, double scale);
  absl::Status AfterStep(const StepReport& report);
  absl::Status Restore();
  bool EvaluationIsDue() const;
  // Whether it is the best so far.
  absl::StatusOr<bool> EvaluateIfDue();
  absl::Status CheckLimits(const StepReport& report);
  absl::Status Save();
  absl::Status SaveIfRoom();
  absl::Status SaveAfter(absl::Status status);

  const v1::RunConfig& config_;
  const Parts parts_;
  KlController kl_;
  TrainerState state_;
  uint64_t saved_step_ = ~uint64_t{0};
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_TRAIN_LOOP_H_
