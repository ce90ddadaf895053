// What a checkpoint holds beside tensors: everything else that changes the
// future of a run, and what the run must have in common with the one that goes
// on from it.
#ifndef OPERANT_LEARNER_TRAINER_STATE_H_
#define OPERANT_LEARNER_TRAINER_STATE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace operant::learner {

// Not in here, and why nothing is missing: optimiser, value head and its
// moments are tensors beside it; all randomness is drawn from (run.seed,
// cursor, sample, position) or (run.seed, step), so there is no generator to
// save; responses of steps that are not trained yet are in the ledger, which
// keeps them for every checkpoint that is kept.
struct TrainerState {
  uint64_t step = 0;         // steps taken; the next one has this number
  uint64_t next_cursor = 0;  // first prompt of the next step
  double kl_coefficient = 0;
  uint64_t responses = 0;  // sampled for training so far
  uint64_t tokens = 0;     // of those responses
  double train_seconds = 0;
  double best_eval = 0;  // lowest failure rate seen; only if has_best
  bool has_best = false;
  uint64_t best_step = 0;       // of best_eval; only if has_best
  uint64_t evaluated_step = 0;  // the last that was evaluated, or 0
  uint64_t skipped_in_a_row = 0;
  uint64_t metrics_bytes = 0;  // of metrics.jsonl, synced, at this step

  // Who wrote it.
  std::string model_digest;
  std::string run_id;
  uint64_t ranks = 1;
  uint64_t threads = 0;
  std::string build;
  std::string processor;
};

// Reads and writes trainer_state/state.json under `checkpoint`. DataLoss names
// the missing or ill-typed key; FailedPrecondition: written in another format.
absl::Status WriteTrainerState(const std::string& checkpoint,
                               const TrainerState& state);
absl::StatusOr<TrainerState> ReadTrainerState(const std::string& checkpoint);

struct ResumeRules {
  bool deterministic = false;      // run.deterministic
  bool allow_other_ranks = false;  // learner.allow_other_ranks
};

// Whether the run `now` (its last group of fields) may go on from `saved`, read
// from `checkpoint`. FailedPrecondition names the file, the field, both values
// and what to do. Build, processor and threads matter only where the rest of
// the run is promised to be bit-identical.
absl::Status CheckResumable(const std::string& checkpoint,
                            const TrainerState& saved, const TrainerState& now,
                            const ResumeRules& rules);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_TRAINER_STATE_H_
