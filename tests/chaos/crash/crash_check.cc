#include "tests/chaos/crash/crash_check.h"

#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "learner/checkpoint_store.h"
#include "learner/trainer_state.h"
#include "learner/trajectory_digest.h"
#include "tests/chaos/crash/small_run.h"

namespace operant::chaos {
namespace {

namespace fs = std::filesystem;

absl::Status Violation(const std::string& what) {
  return absl::DataLossError(what);
}

absl::Status AtLeast(const std::string& what, uint64_t value, uint64_t least) {
  if (value >= least) return absl::OkStatus();
  return Violation(absl::StrCat("I8 ", what, ": ", value,
                                " are there, acknowledged were ", least));
}

// The ledger's rows, read by SQLite itself and no code of the product.
class Rows {
 public:
  explicit Rows(const std::string& path) {
    sqlite3_open_v2(path.c_str(), &database_, SQLITE_OPEN_READWRITE, nullptr);
  }
  ~Rows() { sqlite3_close(database_); }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  // The one number that `sql` asks for, and SQLite's error.
  uint64_t Number(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    uint64_t value = 0;
    if (sqlite3_prepare_v2(database_, sql.c_str(), -1, &statement, nullptr) ==
            SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
      value = static_cast<uint64_t>(sqlite3_column_int64(statement, 0));
    } else {
      error_ = absl::StrCat("I8 the ledger cannot be read: ",
                            sqlite3_errmsg(database_), " at ", sql);
    }
    sqlite3_finalize(statement);
    return value;
  }
  absl::Status status() const {
    return error_.empty() ? absl::OkStatus() : Violation(error_);
  }

 private:
  sqlite3* database_ = nullptr;
  std::string error_;
};

std::string CountOf(const std::string& table, const std::string& where) {
  return absl::StrCat("SELECT count(*) FROM ", table, " WHERE ", where);
}

// A ledger that was not finished has acknowledged nothing and is made anew.
absl::Status CheckRows(const std::string& path,
                       const Acknowledgements& acknowledged) {
  const bool nothing = acknowledged.accepted + acknowledged.published == 0;
  if (nothing) return absl::OkStatus();
  Rows rows(path);
  const uint64_t intact = rows.Number(
      "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check='ok'");
  const uint64_t accepted = rows.Number(CountOf("accepted", "1"));
  const uint64_t steps = rows.Number(CountOf("steps", "1"));
  const uint64_t last_step =
      steps == 0 ? 0 : rows.Number("SELECT max(step)+1 FROM steps");
  const uint64_t prefix = rows.Number(CountOf(
      "accepted",
      absl::StrCat("step*", kSamplesPerStep, "+sample_index < ", accepted)));
  const uint64_t manifests = rows.Number(CountOf("manifests", "1"));
  const uint64_t published = rows.Number(CountOf("published", "1"));
  const uint64_t whole = rows.Number(absl::StrCat(
      "SELECT count(*) FROM steps s JOIN manifests m USING(step) WHERE "
      "m.sha256 = s.manifest_sha256 AND ",
      kSamplesPerStep,
      " = (SELECT count(*) FROM accepted a JOIN scored c USING(step, "
      "prompt_cursor, sample_index, digest) WHERE a.step = s.step)"));
  const uint64_t unexplained = rows.Number(
      "SELECT count(*) FROM published WHERE policy_version > 0 AND "
      "policy_version - 1 NOT IN (SELECT step FROM steps)");
  RETURN_IF_ERROR(rows.status());
  if (intact != 1) return Violation("I8 the ledger is damaged");
  if (prefix != accepted)
    return Violation("I8 a later response is durable, an earlier one is not");
  if (last_step != steps) return Violation("I8 committed steps have a hole");
  if (whole != steps)
    return Violation("I1 a committed step lacks its manifest or its responses");
  if (unexplained != 0)
    return Violation("I8 weights were published before their step");
  RETURN_IF_ERROR(AtLeast("responses", accepted, acknowledged.accepted));
  RETURN_IF_ERROR(AtLeast("manifests", manifests, acknowledged.manifests));
  RETURN_IF_ERROR(AtLeast("steps", steps, acknowledged.steps));
  return AtLeast("versions", published,
                 acknowledged.published + (published > 0 ? 1 : 0));
}

// The product opens the copy's original; this reads a copy, since reading
// already moves what is in the write-ahead log.
absl::Status CheckCopyOfRows(const std::string& run,
                             const Acknowledgements& acknowledged) {
  const std::string copy = run + ".copy";
  RETURN_IF_ERROR(RemoveTree(copy));
  RETURN_IF_ERROR(MakeDirectories(copy));
  std::error_code error;
  for (const char* name : {"ledger.sqlite", "ledger.sqlite-wal"}) {
    if (FileExists(JoinPath(run, name)))
      fs::copy_file(JoinPath(run, name), JoinPath(copy, name), error);
  }
  if (error) return ErrnoStatus(error.value(), "cannot copy", run);
  RETURN_IF_ERROR(CheckRows(JoinPath(copy, "ledger.sqlite"), acknowledged));
  return RemoveTree(copy);
}

// Steps of the checkpoints that verify, ascending; their contents are theirs.
absl::StatusOr<std::vector<uint64_t>> CheckCheckpoints(
    const std::string& folder, const Acknowledgements& acknowledged) {
  const learner::CheckpointStore store(folder);
  std::vector<uint64_t> good;
  for (const uint64_t step : store.steps()) {
    const std::string path = store.PathOf(step);
    if (!learner::VerifyCheckpoint(path).ok()) continue;
    ASSIGN_OR_RETURN(const learner::TrainerState state,
                     learner::ReadTrainerState(path));
    ASSIGN_OR_RETURN(const std::string weights,
                     ReadFile(path + "/model.safetensors"));
    if (state.step != step || !weights.ends_with(WeightsOf(step)))
      return Violation(absl::StrCat("I8 ", path, " holds another step"));
    good.push_back(step);
  }
  RETURN_IF_ERROR(AtLeast("steps in the newest checkpoint",
                          good.empty() ? 0 : good.back(),
                          acknowledged.checkpoint));
  RETURN_IF_ERROR(
      AtLeast("checkpoints", good.size(),
              std::min<uint64_t>(kKeptCheckpoints, acknowledged.checkpoints)));
  return good;
}

// Responses that a resumed run may need again are still held.
absl::Status CheckPayloads(SmallRun& run, uint64_t first_step,
                           const Acknowledgements& acknowledged) {
  for (uint64_t step = first_step;
       step * kSamplesPerStep < acknowledged.accepted; ++step) {
    ASSIGN_OR_RETURN(const std::vector<v1::Trajectory> held,
                     run.ledger().Accepted(step));
    const uint64_t expected = std::min<uint64_t>(
        kSamplesPerStep, acknowledged.accepted - step * kSamplesPerStep);
    RETURN_IF_ERROR(AtLeast(absl::StrCat("held responses of step ", step),
                            held.size(), expected));
    for (const v1::Trajectory& t : held) {
      const v1::Trajectory made =
          SampleOf(step, static_cast<int>(t.seed_key().sample_index()));
      if (learner::TrajectoryDigest(t) != learner::TrajectoryDigest(made))
        return Violation(absl::StrCat("I1 response ", t.id(), " is another"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

Acknowledgements AcknowledgedBefore(const FileTrace& trace, size_t events) {
  Acknowledgements all;
  for (size_t i = 0; i < events; ++i) {
    const FileEvent& event = trace.events[i];
    if (event.kind != FileEvent::Kind::kNote) continue;
    if (event.bytes == "accepted") all.accepted = event.offset;
    if (event.bytes == "manifests") all.manifests = event.offset;
    if (event.bytes == "steps") all.steps = event.offset;
    if (event.bytes == "published") all.published = event.offset;
    if (event.bytes == "checkpoint") {
      all.checkpoint = event.offset;
      ++all.checkpoints;
    }
  }
  return all;
}

absl::Status CheckCrashed(const std::string& root,
                          const Acknowledgements& acknowledged) {
  const std::string folder = JoinPath(root, kRunName);
  ASSIGN_OR_RETURN(const std::vector<uint64_t> checkpoints,
                   CheckCheckpoints(folder + "/checkpoints", acknowledged));
  RETURN_IF_ERROR(CheckCopyOfRows(folder, acknowledged));
  ASSIGN_OR_RETURN(const std::unique_ptr<SmallRun> run,
                   SmallRun::Open(root, [](std::string_view, uint64_t) {}));
  if (!checkpoints.empty() && run->resumed_step() != checkpoints.back())
    return Violation("I8 the run did not go on from its newest checkpoint");
  const size_t kept = std::min<size_t>(kKeptCheckpoints, checkpoints.size());
  RETURN_IF_ERROR(CheckPayloads(
      *run, kept == 0 ? 0 : checkpoints[checkpoints.size() - kept],
      acknowledged));
  // It goes on, over a checkpoint.
  for (uint64_t i = 0; i <= kStepsPerCheckpoint; ++i)
    RETURN_IF_ERROR(run->Step());
  return absl::OkStatus();
}

}  // namespace operant::chaos
