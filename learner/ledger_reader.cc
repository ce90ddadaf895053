#include "learner/ledger_reader.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "common/base/status_macros.h"
#include "learner/ledger_schema.h"

namespace operant::learner {
namespace {

// ScoredRecord.Outcome SCORED and REPLACED carry a score.
constexpr const char* kSteps = R"sql(
SELECT s.step, m.samples, m.next_cursor, s.skipped, m.sha256, p.weights_sha256,
  (SELECT min(prompt_cursor) FROM accepted a WHERE a.step = s.step),
  (SELECT min(oldest_version) FROM accepted a WHERE a.step = s.step),
  (SELECT max(newest_version) FROM accepted a WHERE a.step = s.step),
  (SELECT avg(score) FROM scored c WHERE c.step = s.step
    AND c.outcome IN (1, 4)),
  (SELECT count(*) FROM scored c WHERE c.step = s.step
    AND c.outcome IN (1, 4))
FROM steps s JOIN manifests m ON m.step = s.step
LEFT JOIN published p ON p.policy_version = s.step + 1
ORDER BY s.step DESC LIMIT ?)sql";

constexpr const char* kSamples = R"sql(
SELECT a.trajectory_id, a.prompt_cursor, a.sample_index, a.oldest_version,
  a.newest_version, a.response_tokens, a.digest, c.score,
  c.outcome IN (1, 4), v.name, l.worker_id
FROM accepted a
LEFT JOIN scored c ON c.step = a.step AND c.prompt_cursor = a.prompt_cursor
  AND c.sample_index = a.sample_index
LEFT JOIN servers v ON v.server_id = c.server_id
LEFT JOIN leases l ON l.epoch = a.epoch AND l.step = a.step
  AND l.lease_id = a.lease_id
WHERE a.step = ? ORDER BY a.prompt_cursor, a.sample_index)sql";

LedgerStep StepOf(const SqliteStatement& row) {
  return {.step = row.Integer(0),
          .samples = row.Integer(1),
          .first_cursor = row.Integer(6),
          .next_cursor = row.Integer(2),
          .oldest_version = row.Integer(7),
          .newest_version = row.Integer(8),
          .mean_score = row.Real(9),
          .scored = row.Integer(10),
          .skipped = row.Integer(3) != 0,
          .manifest_sha256 = row.Bytes(4),
          .weights_sha256 = row.Bytes(5)};
}

LedgerSample SampleOf(const SqliteStatement& row) {
  return {.trajectory_id = row.Bytes(0),
          .prompt_cursor = row.Integer(1),
          .sample_index = row.Integer(2),
          .oldest_version = row.Integer(3),
          .newest_version = row.Integer(4),
          .response_tokens = row.Integer(5),
          .digest = row.Bytes(6),
          .scored = row.Integer(8) != 0,
          .score = row.Real(7),
          .server = row.Bytes(9),
          .worker = row.Bytes(10)};
}

}  // namespace

absl::StatusOr<std::unique_ptr<LedgerReader>> LedgerReader::Open(
    const std::string& path) {
  ASSIGN_OR_RETURN(auto file,
                   SqliteFile::Open(path, SqliteFile::Mode::kReadOnly));
  RETURN_IF_ERROR(CheckLedgerSchema(*file));
  return absl::WrapUnique(new LedgerReader(std::move(file)));
}

absl::StatusOr<LedgerTotals> LedgerReader::Totals() {
  LedgerTotals totals;
  const std::pair<uint64_t*, const char*> queries[] = {
      {&totals.epochs, "SELECT count(*) FROM epochs"},
      {&totals.leases, "SELECT count(*) FROM leases"},
      {&totals.accepted, "SELECT count(*) FROM accepted"},
      {&totals.scored, "SELECT count(*) FROM scored"},
      {&totals.steps, "SELECT count(*) FROM steps"},
      {&totals.skipped, "SELECT count(*) FROM steps WHERE skipped"},
      {&totals.last_checkpoint, "SELECT max(step) FROM checkpoints"},
      {&totals.published, "SELECT max(policy_version) FROM published"},
  };
  for (const auto& [value, sql] : queries) {
    ASSIGN_OR_RETURN(*value, file_->Integer(sql));
  }
  return totals;
}

absl::StatusOr<std::vector<LedgerStep>> LedgerReader::LastSteps(
    uint64_t count) {
  ASSIGN_OR_RETURN(SqliteStatement rows, file_->Prepare(kSteps));
  rows.Bind(1, count);
  std::vector<LedgerStep> steps;
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) break;
    steps.push_back(StepOf(rows));
  }
  std::reverse(steps.begin(), steps.end());
  return steps;
}

absl::StatusOr<std::vector<LedgerSample>> LedgerReader::Samples(uint64_t step) {
  ASSIGN_OR_RETURN(SqliteStatement rows, file_->Prepare(kSamples));
  rows.Bind(1, step);
  std::vector<LedgerSample> samples;
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return samples;
    samples.push_back(SampleOf(rows));
  }
}

}  // namespace operant::learner
