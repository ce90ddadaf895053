// Writes into the ledger how a step becomes part of the run, each line durable
// before the loop goes on (see step_order.h).
#ifndef OPERANT_LEARNER_STEP_JOURNAL_H_
#define OPERANT_LEARNER_STEP_JOURNAL_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "learner/batch_source.h"
#include "learner/ledger.h"
#include "learner/step_order.h"

namespace operant::learner {

// One thread at a time.
class StepJournal {
 public:
  // `ledger` is not owned. `steps` are in the checkpoint that the run goes on
  // from.
  StepJournal(Ledger* ledger, uint64_t staleness, uint64_t steps)
      : ledger_(ledger), staleness_(staleness), order_(steps) {}

  // The scores of `batch` and its manifest, before the update. Internal: the
  // batch is not what the step must train on.
  absl::Status Choose(const ScoredBatch& batch);
  // After the update, before workers are given version step + 1.
  absl::Status Commit(uint64_t step, bool skipped,
                      const std::string& weights_sha256);
  // After the checkpoint of `steps` steps is complete; `oldest_kept`: the
  // oldest that a resumed run may fall back to.
  absl::Status Cut(uint64_t steps, uint64_t oldest_kept);
  // The weights that a run begins or goes on with.
  absl::Status Begin(uint64_t version, const std::string& weights_sha256);

 private:
  void AppendScores(const ScoredBatch& batch,
                    const v1::BatchManifest& manifest);

  Ledger* const ledger_;
  const uint64_t staleness_;
  StepOrder order_;
  std::string manifest_sha256_;  // of the chosen step
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_STEP_JOURNAL_H_
