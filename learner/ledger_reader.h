// Reads a ledger, also of a run that goes on: what was trained on, with which
// weights, scored by which server.
#ifndef OPERANT_LEARNER_LEDGER_READER_H_
#define OPERANT_LEARNER_LEDGER_READER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "learner/sqlite_file.h"

namespace operant::learner {

struct LedgerTotals {
  uint64_t epochs = 0;  // times that a learner took the run up
  uint64_t leases = 0;
  uint64_t accepted = 0;
  uint64_t scored = 0;
  uint64_t steps = 0;  // committed
  uint64_t skipped = 0;
  uint64_t last_checkpoint = 0;
  uint64_t published = 0;  // newest version
};

// A committed step.
struct LedgerStep {
  uint64_t step = 0;
  uint64_t samples = 0;
  uint64_t first_cursor = 0;
  uint64_t next_cursor = 0;
  uint64_t oldest_version = 0;  // that sampled a token of it
  uint64_t newest_version = 0;
  double mean_score = 0;
  uint64_t scored = 0;
  bool skipped = false;
  std::string manifest_sha256;  // raw
  std::string weights_sha256;   // of version step + 1; raw, may be empty
};

// A response of a step.
struct LedgerSample {
  std::string trajectory_id;
  uint64_t prompt_cursor = 0;
  uint64_t sample_index = 0;
  uint64_t oldest_version = 0;
  uint64_t newest_version = 0;
  uint64_t response_tokens = 0;
  std::string digest;  // raw
  bool scored = false;
  double score = 0;
  std::string server;
  std::string worker;
};

// One thread at a time.
class LedgerReader {
 public:
  // NotFound, DataLoss, FailedPrecondition, as Ledger::Open.
  static absl::StatusOr<std::unique_ptr<LedgerReader>> Open(
      const std::string& path);

  absl::StatusOr<LedgerTotals> Totals();
  // The last `count` committed steps, ascending.
  absl::StatusOr<std::vector<LedgerStep>> LastSteps(uint64_t count);
  absl::StatusOr<std::vector<LedgerSample>> Samples(uint64_t step);

 private:
  explicit LedgerReader(std::unique_ptr<SqliteFile> file)
      : file_(std::move(file)) {}
  std::unique_ptr<SqliteFile> file_;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_LEDGER_READER_H_
