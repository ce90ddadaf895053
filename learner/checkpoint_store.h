// The checkpoints of a run on disk: complete or not there at all.
//
// A checkpoint is written into a staging folder, every file fsynced and listed
// with its SHA-256 in MANIFEST.json, the folder renamed to step_N, and the
// marker COMPLETE written last. A crash at any instant leaves the earlier
// checkpoints as they were. A reader verifies the marker and every digest.
#ifndef OPERANT_LEARNER_CHECKPOINT_STORE_H_
#define OPERANT_LEARNER_CHECKPOINT_STORE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace operant::learner {

// What changes the future and is no tensor.
struct TrainerState {
  uint64_t step = 0;         // steps taken; the next one has this number
  uint64_t next_cursor = 0;  // first prompt of the next step
  double kl_coefficient = 0;
  uint64_t responses = 0;  // sampled for training so far
  uint64_t tokens = 0;     // of those responses
  double train_seconds = 0;
  double best_eval = 0;  // lowest failure rate seen; only if has_best
  bool has_best = false;
  std::string model_digest;
  std::string run_id;
};

// Reads and writes trainer_state/state.json under `checkpoint`. DataLoss names
// the missing or ill-typed key.
absl::Status WriteTrainerState(const std::string& checkpoint,
                               const TrainerState& state);
absl::StatusOr<TrainerState> ReadTrainerState(const std::string& checkpoint);

// One thread, one store per folder.
class CheckpointStore {
 public:
  // `folder` is the run's checkpoints/.
  explicit CheckpointStore(std::string folder) : folder_(std::move(folder)) {}

  // Calls `write` with an empty staging folder and publishes what it wrote as
  // step_N. An existing step_N is replaced. On error nothing is published.
  absl::Status Write(
      uint64_t step,
      const std::function<absl::Status(const std::string& folder)>& write);

  // Folder of the newest checkpoint that verifies; older ones are tried, with a
  // warning, where a newer one does not. NotFound: there is none.
  absl::StatusOr<std::string> Latest() const;

  // Removes all but the newest `keep` and `protected_step` (the best; ~0:
  // none).
  absl::Status Prune(int keep, uint64_t protected_step) const;

  // Steps with a marker, ascending.
  std::vector<uint64_t> steps() const;
  std::string PathOf(uint64_t step) const;

 private:
  const std::string folder_;
};

// OK if the marker is there and every file of MANIFEST.json has its digest.
// NotFound (no marker), DataLoss (names the file).
absl::Status VerifyCheckpoint(const std::string& checkpoint);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_CHECKPOINT_STORE_H_
