// The tables of a ledger, and whether a file is one of this run.
#ifndef OPERANT_LEARNER_LEDGER_SCHEMA_H_
#define OPERANT_LEARNER_LEDGER_SCHEMA_H_

#include <string>

#include "absl/status/status.h"
#include "learner/sqlite_file.h"

namespace operant::learner {

// Creates the tables if the file is new. Errors: DataLoss (damaged, or a
// database that is no ledger), FailedPrecondition (of another run or model, or
// of a newer schema).
absl::Status OpenLedgerSchema(SqliteFile& file, const std::string& run_id,
                              const std::string& model_digest);

// DataLoss or FailedPrecondition unless the file is a ledger of this schema.
absl::Status CheckLedgerSchema(SqliteFile& file);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_LEDGER_SCHEMA_H_
