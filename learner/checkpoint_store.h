// The checkpoints of a run on disk: complete or not there at all.
//
//   .step_N/ (staging): every file written, fsynced, renamed into place
//     -> MANIFEST.json: path, bytes and SHA-256 of each, as they were meant
//     -> renamed to step_N/ -> COMPLETE, the marker, last
//
// A crash at any instant leaves the earlier checkpoints as they were. A reader
// takes a checkpoint only with its marker, every file of the manifest with its
// digest, and no other file. What is removed loses its marker first.
#ifndef OPERANT_LEARNER_CHECKPOINT_STORE_H_
#define OPERANT_LEARNER_CHECKPOINT_STORE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "learner/trainer_state.h"

namespace operant::learner {

// One thread, one store per folder.
class CheckpointStore {
 public:
  // `folder` is the run's checkpoints/.
  explicit CheckpointStore(std::string folder) : folder_(std::move(folder)) {}

  // Takes `bytes` of the disk for the next checkpoint, so that nothing else
  // fills it meanwhile: Write gives them up and takes as many for the one after
  // it as it wrote. ResourceExhausted names the folder and the bytes.
  absl::Status Reserve(uint64_t bytes);

  // Calls `write` with an empty staging folder and publishes what it wrote
  // (with WriteFileAtomically and SafetensorsWriter, on this thread; Internal
  // otherwise) as step_N. An existing step_N is replaced. On error nothing is
  // published and what was staged is removed.
  absl::Status Write(
      uint64_t step,
      const std::function<absl::Status(const std::string& folder)>& write);

  // Folder of the newest checkpoint that verifies; older ones are tried, with a
  // warning, where a newer one does not. NotFound: there is none; DataLoss:
  // none verifies (names the newest one's fault).
  absl::StatusOr<std::string> Latest() const;

  // Removes all but the newest `keep` and `protected_step` (the best; ~0:
  // none).
  absl::Status Prune(int keep, uint64_t protected_step) const;

  // Steps with a marker, ascending.
  std::vector<uint64_t> steps() const;
  std::string PathOf(uint64_t step) const;

 private:
  absl::Status Stage(
      const std::string& staging,
      const std::function<absl::Status(const std::string& folder)>& write,
      uint64_t& bytes) const;
  absl::Status Publish(const std::string& staging, uint64_t step) const;
  absl::Status Remove(const std::string& checkpoint) const;
  std::string ReservePath() const;

  const std::string folder_;
};

// OK if the marker is there and the files are those of MANIFEST.json, each with
// its digest. NotFound (no marker), DataLoss (names the file).
absl::Status VerifyCheckpoint(const std::string& checkpoint);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_CHECKPOINT_STORE_H_
