// What `operant sft` and `operant rm` have in common: one training on a file,
// from its checkpoints to the folder that it writes.
#ifndef OPERANT_LEARNER_FILE_TRAINING_H_
#define OPERANT_LEARNER_FILE_TRAINING_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/shutdown.h"
#include "learner/checkpoint_store.h"
#include "learner/lr_schedule.h"
#include "learner/trainer_state.h"

namespace operant::learner {

// Where a trainer keeps its optimiser's state in a checkpoint's folder.
inline constexpr char kOptimiserFile[] = "trainer_state/optimizer.safetensors";

// One thread. Checkpoints lie in "<out>.checkpoints" until the result is there.
class FileTraining {
 public:
  struct Plan {
    std::string identity;  // of all that decides the steps: a checkpoint of
                           // another one is refused
    int64_t steps = 0;
    uint32_t max_seconds = 0;  // 0: no limit
    LrSchedule schedule;
    int64_t save_every = 0;  // steps; 0: only when a signal stops it
  };
  // What is trained.
  class Trainer {
   public:
    virtual ~Trainer() = default;
    // One optimiser step at this factor of the peak learning rate. Whether it
    // was applied: its gradient was finite.
    virtual absl::StatusOr<bool> Step(double rate_factor) = 0;
    virtual void Report() = 0;
    // Into a checkpoint's folder, beside the state; and what the state says of
    // the model and its tokens.
    virtual absl::Status WriteCheckpoint(const std::string& folder) = 0;
    virtual TrainerState State() const = 0;
  };

  // `section` of the configuration ("sft", "rm"), whose `out` is the result.
  FileTraining(std::string section, std::string out);

  // AlreadyExists: `out` is there.
  absl::Status CheckNew() const;

  // From the newest checkpoint, if there is one: `load` reads it.
  // FailedPrecondition: it is of another training.
  absl::Status Resume(
      Plan plan,
      const std::function<absl::Status(const std::string& folder,
                                       const TrainerState& state)>& load);

  // All steps that are left; reports every two seconds and after the last.
  // A signal (shutdown.h) saves and returns Cancelled, marked with the exit
  // code; Aborted, marked "diverged": several steps in a row were not applied.
  absl::Status Train(Trainer& trainer);

  // Calls `write` with a folder beside `out` and renames it: `out` is whole or
  // not there. Removes the checkpoints.
  absl::Status Publish(
      const std::function<absl::Status(const std::string& folder)>& write);

  int64_t step() const { return step_; }  // done
  int64_t steps() const { return plan_.steps; }
  double Seconds() const { return seconds_before_ + SecondsHere(); }
  double SecondsHere() const;  // without the parts before it was resumed
  double EtaSeconds() const;

 private:
  double Progress() const;
  absl::Status Note(bool applied);
  absl::Status Save(Trainer& trainer);
  absl::Status StopFor(StopSignal signal, Trainer& trainer);
  void Report(Trainer& trainer);

  const std::string section_;
  const std::string out_;
  CheckpointStore checkpoints_;
  Plan plan_;
  int64_t step_ = 0;
  int skipped_ = 0;            // in a row
  double seconds_before_ = 0;  // of training before this process
  absl::Time started_;
  absl::Time reported_ = absl::InfinitePast();
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_FILE_TRAINING_H_
