// Puts ledger records into the tables. Inside a transaction of the caller.
#ifndef OPERANT_LEARNER_LEDGER_WRITER_H_
#define OPERANT_LEARNER_LEDGER_WRITER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "learner/sqlite_file.h"
#include "operant/v1/ledger.pb.h"

namespace operant::learner {

// One thread at a time.
class LedgerWriter {
 public:
  // `file` must outlive it. Rows are written as those of `epoch`.
  static absl::StatusOr<std::unique_ptr<LedgerWriter>> Create(
      SqliteFile* file, uint64_t epoch, bool keep_payloads_for_checkpoint);

  // Internal: the record contradicts one of the same epoch (accepted, scored,
  // chosen, committed or published twice), or names what is not there.
  absl::Status Write(const v1::LedgerRecord& record);

  uint64_t replaced() const { return replaced_; }

 private:
  LedgerWriter(SqliteFile* file, uint64_t epoch, bool keep_payloads)
      : file_(file), epoch_(epoch), keep_payloads_(keep_payloads) {}
  absl::Status Prepare();

  absl::Status Write(const v1::LeaseRecord& record);
  absl::Status Write(const v1::AcceptedRecord& record);
  absl::Status Write(const v1::ScoredRecord& record);
  absl::Status Write(const v1::BatchManifest& record);
  absl::Status Write(const v1::StepRecord& record);
  absl::Status Write(const v1::CheckpointRecord& record);
  absl::Status Write(const v1::PublishedRecord& record);

  absl::Status CountIfReplaced(const v1::AcceptedRecord& record);
  absl::StatusOr<uint64_t> ServerId(const std::string& name);
  // Runs an upsert that must change a row.
  absl::Status RunOnce(SqliteStatement& statement, const std::string& what);
  absl::Status DropPayloadsBelow(uint64_t step);

  SqliteFile* const file_;
  const uint64_t epoch_;
  const bool keep_payloads_;
  uint64_t replaced_ = 0;
  std::map<std::string, uint64_t> servers_;
  SqliteStatement lease_, old_digest_, accepted_, payload_, scored_, manifest_,
      step_, checkpoint_, published_, drop_payloads_, add_server_, find_server_;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_LEDGER_WRITER_H_
