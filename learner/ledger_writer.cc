#include "learner/ledger_writer.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "learner/admission.h"
#include "learner/batch_manifest.h"

namespace operant::learner {
namespace {

// A row of an earlier epoch is replaced; one of this epoch is never touched.
std::string Upsert(const std::string& table, const std::string& columns,
                   const std::string& key, const std::string& updates) {
  const auto commas = std::count(columns.begin(), columns.end(), ',');
  std::string marks = "?";
  for (int64_t i = 0; i < commas; ++i) marks += ",?";
  return absl::StrCat("INSERT INTO ", table, "(", columns, ") VALUES(", marks,
                      ") ON CONFLICT(", key, ") DO UPDATE SET ", updates,
                      ", epoch=excluded.epoch WHERE excluded.epoch > ", table,
                      ".epoch");
}

constexpr const char* kSampleKey = "step,prompt_cursor,sample_index";

}  // namespace

absl::StatusOr<std::unique_ptr<LedgerWriter>> LedgerWriter::Create(
    SqliteFile* file, uint64_t epoch, bool keep_payloads_for_checkpoint) {
  auto writer = absl::WrapUnique(
      new LedgerWriter(file, epoch, keep_payloads_for_checkpoint));
  RETURN_IF_ERROR(writer->Prepare());
  return writer;
}

absl::Status LedgerWriter::Prepare() {
  const std::pair<SqliteStatement*, std::string> statements[] = {
      {&lease_, "INSERT INTO leases VALUES(?,?,?,?,?,?,?)"},
      {&old_digest_,
       "SELECT digest FROM accepted WHERE step=? AND prompt_cursor=? AND "
       "sample_index=?"},
      {&accepted_,
       Upsert("accepted",
              "step,prompt_cursor,sample_index,trajectory_id,digest,"
              "oldest_version,newest_version,response_tokens,epoch,lease_id",
              kSampleKey,
              "trajectory_id=excluded.trajectory_id, digest=excluded.digest, "
              "oldest_version=excluded.oldest_version, "
              "newest_version=excluded.newest_version, "
              "response_tokens=excluded.response_tokens, "
              "lease_id=excluded.lease_id")},
      {&payload_, "INSERT OR REPLACE INTO payloads VALUES(?,?,?,?)"},
      {&scored_,
       Upsert("scored",
              "step,prompt_cursor,sample_index,digest,outcome,score,server_id,"
              "epoch",
              kSampleKey,
              "digest=excluded.digest, outcome=excluded.outcome, "
              "score=excluded.score, server_id=excluded.server_id")},
      {&manifest_,
       Upsert("manifests",
              "step,policy_version,next_cursor,samples,sha256,epoch", "step",
              "policy_version=excluded.policy_version, "
              "next_cursor=excluded.next_cursor, samples=excluded.samples, "
              "sha256=excluded.sha256")},
      {&step_,
       "INSERT INTO steps(step,manifest_sha256,skipped,epoch) "
       "SELECT step,sha256,?2,?3 FROM manifests WHERE step=?1 AND sha256=?4"},
      {&checkpoint_, "INSERT OR REPLACE INTO checkpoints VALUES(?,?)"},
      {&published_,
       Upsert("published", "policy_version,weights_sha256,epoch",
              "policy_version", "weights_sha256=excluded.weights_sha256")},
      {&drop_payloads_, "DELETE FROM payloads WHERE step < ?"},
      {&add_server_, "INSERT OR IGNORE INTO servers(name) VALUES(?)"},
      {&find_server_, "SELECT server_id FROM servers WHERE name=?"},
  };
  for (const auto& [statement, sql] : statements) {
    ASSIGN_OR_RETURN(*statement, file_->Prepare(sql));
  }
  return absl::OkStatus();
}

absl::Status LedgerWriter::Write(const v1::LedgerRecord& record) {
  switch (record.record_case()) {
    case v1::LedgerRecord::kLeased:
      return Write(record.leased());
    case v1::LedgerRecord::kAccepted:
      return Write(record.accepted());
    case v1::LedgerRecord::kScored:
      return Write(record.scored());
    case v1::LedgerRecord::kManifest:
      return Write(record.manifest());
    case v1::LedgerRecord::kCommitted:
      return Write(record.committed());
    case v1::LedgerRecord::kCheckpoint:
      return Write(record.checkpoint());
    case v1::LedgerRecord::kPublished:
      return Write(record.published());
    case v1::LedgerRecord::RECORD_NOT_SET:
      break;
  }
  return absl::InternalError("ledger record is empty");
}

absl::Status LedgerWriter::RunOnce(SqliteStatement& statement,
                                   const std::string& what) {
  RETURN_IF_ERROR(statement.Run());
  if (file_->Changes() == 1) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(what,
                   " is in the ledger already, in this epoch, or lacks what it "
                   "follows; this is a bug"));
}

absl::Status LedgerWriter::Write(const v1::LeaseRecord& record) {
  lease_.Bind(1, epoch_);
  lease_.Bind(2, uint64_t{record.lease_id()});
  lease_.Bind(3, uint64_t{record.step()});
  lease_.BindText(4, record.worker_id());
  lease_.Bind(5, uint64_t{record.worker_epoch()});
  lease_.Bind(6, uint64_t{record.min_policy_version()});
  lease_.Bind(7, static_cast<uint64_t>(record.trajectory_ids_size()));
  return lease_.Run();
}

absl::Status LedgerWriter::CountIfReplaced(const v1::AcceptedRecord& record) {
  if (epoch_ == 1) return absl::OkStatus();
  const v1::SeedKey& key = record.trajectory().seed_key();
  old_digest_.Bind(1, uint64_t{record.step()});
  old_digest_.Bind(2, uint64_t{key.prompt_cursor()});
  old_digest_.Bind(3, uint64_t{key.sample_index()});
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, old_digest_.Step());
    if (!row) return absl::OkStatus();
    replaced_ += old_digest_.Bytes(0) != record.digest();
  }
}

absl::Status LedgerWriter::Write(const v1::AcceptedRecord& record) {
  RETURN_IF_ERROR(CountIfReplaced(record));
  const v1::Trajectory& t = record.trajectory();
  for (SqliteStatement* row : {&accepted_, &payload_}) {
    row->Bind(1, uint64_t{record.step()});
    row->Bind(2, uint64_t{t.seed_key().prompt_cursor()});
    row->Bind(3, uint64_t{t.seed_key().sample_index()});
  }
  accepted_.BindText(4, t.id());
  accepted_.BindBlob(5, record.digest());
  accepted_.Bind(6, OldestVersion(t));
  accepted_.Bind(7, NewestVersion(t));
  accepted_.Bind(8, static_cast<uint64_t>(t.response_token_ids_size()));
  accepted_.Bind(9, epoch_);
  accepted_.Bind(10, uint64_t{record.lease_id()});
  RETURN_IF_ERROR(
      RunOnce(accepted_, absl::StrCat("accepted trajectory ", t.id())));
  payload_.BindBlob(4, t.SerializeAsString());
  return payload_.Run();
}

absl::StatusOr<uint64_t> LedgerWriter::ServerId(const std::string& name) {
  auto known = servers_.find(name);
  if (known != servers_.end()) return known->second;
  add_server_.BindText(1, name);
  RETURN_IF_ERROR(add_server_.Run());
  find_server_.BindText(1, name);
  uint64_t id = 0;
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, find_server_.Step());
    if (!row) return servers_[name] = id;
    id = find_server_.Integer(0);
  }
}

absl::Status LedgerWriter::Write(const v1::ScoredRecord& record) {
  ASSIGN_OR_RETURN(const uint64_t server, ServerId(record.server()));
  scored_.Bind(1, uint64_t{record.step()});
  scored_.Bind(2, uint64_t{record.prompt_cursor()});
  scored_.Bind(3, uint64_t{record.sample_index()});
  scored_.BindBlob(4, record.trajectory_digest());
  scored_.Bind(5, static_cast<uint64_t>(record.outcome()));
  scored_.Bind(6, record.score());
  scored_.Bind(7, server);
  scored_.Bind(8, epoch_);
  return RunOnce(scored_,
                 absl::StrCat("score of trajectory ", record.trajectory_id()));
}

absl::Status LedgerWriter::Write(const v1::BatchManifest& record) {
  manifest_.Bind(1, uint64_t{record.step()});
  manifest_.Bind(2, uint64_t{record.policy_version()});
  manifest_.Bind(3, uint64_t{record.next_cursor()});
  manifest_.Bind(4, static_cast<uint64_t>(record.entries_size()));
  manifest_.BindBlob(5, ManifestDigest(record));
  manifest_.Bind(6, epoch_);
  return RunOnce(manifest_, absl::StrCat("manifest of step ", record.step()));
}

absl::Status LedgerWriter::Write(const v1::StepRecord& record) {
  step_.Bind(1, uint64_t{record.step()});
  step_.Bind(2, uint64_t{record.skipped()});
  step_.Bind(3, epoch_);
  step_.BindBlob(4, record.manifest_sha256());
  RETURN_IF_ERROR(
      RunOnce(step_, absl::StrCat("committed step ", record.step())));
  return keep_payloads_ ? absl::OkStatus()
                        : DropPayloadsBelow(record.step() + 1);
}

absl::Status LedgerWriter::Write(const v1::CheckpointRecord& record) {
  checkpoint_.Bind(1, uint64_t{record.step()});
  checkpoint_.Bind(2, epoch_);
  RETURN_IF_ERROR(checkpoint_.Run());
  return DropPayloadsBelow(record.oldest_kept());
}

absl::Status LedgerWriter::Write(const v1::PublishedRecord& record) {
  published_.Bind(1, uint64_t{record.policy_version()});
  published_.BindBlob(2, record.weights_sha256());
  published_.Bind(3, epoch_);
  return RunOnce(published_,
                 absl::StrCat("published version ", record.policy_version()));
}

absl::Status LedgerWriter::DropPayloadsBelow(uint64_t step) {
  drop_payloads_.Bind(1, step);
  return drop_payloads_.Run();
}

}  // namespace operant::learner
