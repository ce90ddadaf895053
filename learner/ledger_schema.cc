#include "learner/ledger_schema.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "common/base/digest.h"
#include "common/base/status_macros.h"

namespace operant::learner {
namespace {

constexpr uint64_t kApplicationId = 0x4f50524c;  // "OPRL"
constexpr uint64_t kSchemaVersion = 1;

// Rows of one step lie together: their keys begin with it.
constexpr const char* kTables = R"sql(
CREATE TABLE run(run_id TEXT NOT NULL, model_digest TEXT NOT NULL);
CREATE TABLE epochs(
  epoch INTEGER PRIMARY KEY, started_unix REAL NOT NULL,
  resumed_step INTEGER NOT NULL);
CREATE TABLE leases(
  epoch INTEGER, lease_id INTEGER, step INTEGER NOT NULL,
  worker_id TEXT NOT NULL, worker_epoch INTEGER NOT NULL,
  min_policy_version INTEGER NOT NULL, samples INTEGER NOT NULL,
  PRIMARY KEY(epoch, step, lease_id)) WITHOUT ROWID;
CREATE TABLE accepted(
  step INTEGER, prompt_cursor INTEGER, sample_index INTEGER,
  trajectory_id TEXT NOT NULL, digest BLOB NOT NULL,
  oldest_version INTEGER NOT NULL, newest_version INTEGER NOT NULL,
  response_tokens INTEGER NOT NULL,
  epoch INTEGER NOT NULL, lease_id INTEGER NOT NULL,
  PRIMARY KEY(step, prompt_cursor, sample_index)) WITHOUT ROWID;
CREATE TABLE payloads(
  step INTEGER, prompt_cursor INTEGER, sample_index INTEGER,
  trajectory BLOB NOT NULL,
  PRIMARY KEY(step, prompt_cursor, sample_index)) WITHOUT ROWID;
CREATE TABLE servers(server_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE scored(
  step INTEGER, prompt_cursor INTEGER, sample_index INTEGER,
  digest BLOB NOT NULL, outcome INTEGER NOT NULL, score REAL NOT NULL,
  server_id INTEGER NOT NULL, epoch INTEGER NOT NULL,
  PRIMARY KEY(step, prompt_cursor, sample_index)) WITHOUT ROWID;
CREATE TABLE manifests(
  step INTEGER PRIMARY KEY, policy_version INTEGER NOT NULL,
  next_cursor INTEGER NOT NULL, samples INTEGER NOT NULL,
  sha256 BLOB NOT NULL, epoch INTEGER NOT NULL);
CREATE TABLE steps(
  step INTEGER PRIMARY KEY, manifest_sha256 BLOB NOT NULL,
  skipped INTEGER NOT NULL, epoch INTEGER NOT NULL);
CREATE TABLE checkpoints(step INTEGER PRIMARY KEY, epoch INTEGER NOT NULL);
CREATE TABLE published(
  policy_version INTEGER PRIMARY KEY, weights_sha256 BLOB NOT NULL,
  epoch INTEGER NOT NULL);
)sql";

absl::Status Create(SqliteFile& file, const std::string& run_id,
                    const std::string& model_digest) {
  RETURN_IF_ERROR(file.Execute("BEGIN IMMEDIATE"));
  RETURN_IF_ERROR(file.Execute(kTables));
  ASSIGN_OR_RETURN(SqliteStatement run,
                   file.Prepare("INSERT INTO run VALUES(?, ?)"));
  run.BindText(1, run_id);
  run.BindText(2, Hex(model_digest));
  RETURN_IF_ERROR(run.Run());
  RETURN_IF_ERROR(file.Execute(
      absl::StrCat("PRAGMA application_id = ", kApplicationId,
                   "; PRAGMA user_version = ", kSchemaVersion, "; COMMIT")));
  return absl::OkStatus();
}

absl::Status CheckIsOf(SqliteFile& file, const std::string& column,
                       const std::string& expected) {
  ASSIGN_OR_RETURN(const std::string value,
                   file.Text(absl::StrCat("SELECT ", column, " FROM run")));
  if (value == expected) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("ledger.sqlite is another run's: ", column, "=", value,
                   ", expected ", expected, "; choose another run.name"));
}

}  // namespace

absl::Status CheckLedgerSchema(SqliteFile& file) {
  ASSIGN_OR_RETURN(const uint64_t id, file.Integer("PRAGMA application_id"));
  if (id != kApplicationId) {
    return absl::DataLossError(
        "ledger.sqlite is no ledger of Operant; restore it or start a new run");
  }
  ASSIGN_OR_RETURN(const uint64_t version, file.Integer("PRAGMA user_version"));
  if (version == kSchemaVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("ledger.sqlite has schema ", version, ", this build reads ",
                   kSchemaVersion, "; use the build that made it"));
}

absl::Status OpenLedgerSchema(SqliteFile& file, const std::string& run_id,
                              const std::string& model_digest) {
  ASSIGN_OR_RETURN(const uint64_t tables,
                   file.Integer("SELECT count(*) FROM sqlite_master"));
  if (tables == 0) return Create(file, run_id, model_digest);
  RETURN_IF_ERROR(CheckLedgerSchema(file));
  ASSIGN_OR_RETURN(const std::string health,
                   file.Text("PRAGMA quick_check(1)"));
  if (health != "ok") {
    return absl::DataLossError(
        absl::StrCat("ledger.sqlite is damaged: ", health,
                     "; restore it from a copy, or start a new run"));
  }
  RETURN_IF_ERROR(CheckIsOf(file, "run_id", run_id));
  return CheckIsOf(file, "model_digest", Hex(model_digest));
}

}  // namespace operant::learner
