#include "learner/ledger.h"

#include <deque>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/failpoint.h"
#include "common/base/status_macros.h"
#include "learner/ledger_schema.h"
#include "learner/ledger_writer.h"
#include "learner/sqlite_file.h"

namespace operant::learner {
namespace {

// Append blocks while more than this waits: the disk is slower than the run.
constexpr size_t kMaxQueuedBytes = size_t{64} << 20;

struct Entry {
  v1::LedgerRecord record;
  Ledger::Done done;
  size_t bytes = 0;
};

class LedgerImpl final : public Ledger {
 public:
  LedgerImpl(std::unique_ptr<SqliteFile> file, const Options& options)
      : options_(options), file_(std::move(file)) {}

  ~LedgerImpl() override {
    if (!thread_.joinable()) return;
    {
      absl::MutexLock lock(&mu_);
      closing_ = true;
    }
    thread_.join();
  }

  absl::Status Start() {
    RETURN_IF_ERROR(TakeOver());
    ASSIGN_OR_RETURN(reader_,
                     SqliteFile::Open(options_.path, SqliteFile::Mode::kCreate,
                                      options_.vfs));
    ASSIGN_OR_RETURN(
        writer_, LedgerWriter::Create(file_.get(), epoch_,
                                      options_.keep_payloads_for_checkpoint));
    thread_ = std::thread([this] { Run(); });
    return absl::OkStatus();
  }

  uint64_t epoch() const override { return epoch_; }

  void Append(v1::LedgerRecord record, Done done) override {
    const size_t bytes = record.ByteSizeLong();
    absl::MutexLock lock(&mu_);
    auto room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return queued_bytes_ <= kMaxQueuedBytes || !error_.ok();
    };
    mu_.Await(absl::Condition(&room));
    queued_bytes_ += bytes;
    ++appended_;
    queue_.push_back({std::move(record), std::move(done), bytes});
  }

  absl::Status Flush() override {
    absl::MutexLock lock(&mu_);
    const uint64_t target = appended_;
    auto written = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return finished_ >= target;
    };
    mu_.Await(absl::Condition(&written));
    return error_;
  }

  absl::StatusOr<std::vector<v1::Trajectory>> Accepted(uint64_t step) override {
    absl::MutexLock lock(&reader_mu_);
    ASSIGN_OR_RETURN(
        SqliteStatement rows,
        reader_->Prepare("SELECT trajectory FROM payloads WHERE step=? ORDER "
                         "BY prompt_cursor, sample_index"));
    rows.Bind(1, step);
    std::vector<v1::Trajectory> all;
    for (;;) {
      ASSIGN_OR_RETURN(const bool row, rows.Step());
      if (!row) return all;
      if (!all.emplace_back().ParseFromString(rows.Bytes(0))) {
        return absl::DataLossError(absl::StrCat(
            "ledger ", options_.path, " holds a response of step ", step,
            " that does not parse; restore the file or start a new run"));
      }
    }
  }

  absl::StatusOr<std::map<uint64_t, std::string>> Published(
      uint64_t count) override {
    absl::MutexLock lock(&reader_mu_);
    ASSIGN_OR_RETURN(
        SqliteStatement rows,
        reader_->Prepare("SELECT policy_version, weights_sha256 FROM published "
                         "ORDER BY policy_version DESC LIMIT ?"));
    rows.Bind(1, count);
    std::map<uint64_t, std::string> all;
    for (;;) {
      ASSIGN_OR_RETURN(const bool row, rows.Step());
      if (!row) return all;
      all[rows.Integer(0)] = rows.Bytes(1);
    }
  }

  uint64_t replaced() const override {
    absl::MutexLock lock(&mu_);
    return replaced_;
  }

 private:
  // Begins a new epoch and takes back what the checkpoint does not hold.
  absl::Status TakeOver() {
    RETURN_IF_ERROR(file_->Execute("BEGIN IMMEDIATE"));
    ASSIGN_OR_RETURN(const uint64_t last,
                     file_->Integer("SELECT max(epoch) FROM epochs"));
    epoch_ = last + 1;
    const uint64_t step = options_.resumed_step;
    RETURN_IF_ERROR(CheckHolds(step));
    ASSIGN_OR_RETURN(SqliteStatement insert,
                     file_->Prepare("INSERT INTO epochs VALUES(?,?,?)"));
    insert.Bind(1, epoch_);
    insert.Bind(2, absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()));
    insert.Bind(3, step);
    RETURN_IF_ERROR(insert.Run());
    return file_->Execute(absl::StrCat(
        "DELETE FROM steps WHERE step >= ", step,
        "; DELETE FROM manifests WHERE step >= ", step,
        "; DELETE FROM published WHERE policy_version > ", step,
        "; DELETE FROM checkpoints WHERE step > ", step, "; COMMIT"));
  }

  // The steps of a checkpoint were durable before it was.
  absl::Status CheckHolds(uint64_t steps) {
    ASSIGN_OR_RETURN(const uint64_t held,
                     file_->Integer(absl::StrCat(
                         "SELECT count(*) FROM steps WHERE step < ", steps)));
    if (held == steps) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(
        "ledger ", options_.path, " holds ", held, " of the ", steps,
        " steps in the checkpoint; restore it from a copy, or start a new "
        "run"));
  }

  void Run() {
    for (;;) {
      std::deque<Entry> batch = TakeAll();
      if (batch.empty()) return;
      absl::Status status = error();
      if (status.ok()) status = Commit(batch);
      for (Entry& entry : batch)
        if (entry.done) entry.done(status);
      Finish(batch, status);
    }
  }

  // Everything that waits; empty: closing.
  std::deque<Entry> TakeAll() {
    absl::MutexLock lock(&mu_);
    auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return closing_ || !queue_.empty();
    };
    mu_.Await(absl::Condition(&ready));
    return std::exchange(queue_, {});
  }

  absl::Status error() const {
    absl::MutexLock lock(&mu_);
    return error_;
  }

  void Finish(const std::deque<Entry>& batch, const absl::Status& status) {
    absl::MutexLock lock(&mu_);
    finished_ += batch.size();
    for (const Entry& entry : batch) queued_bytes_ -= entry.bytes;
    error_.Update(status);
    replaced_ = writer_->replaced();
  }

  // One transaction, synced before it returns.
  absl::Status Commit(const std::deque<Entry>& batch) {
    RETURN_IF_ERROR(file_->Execute("BEGIN IMMEDIATE"));
    absl::Status status = CheckOwner();
    for (const Entry& entry : batch) {
      if (!status.ok()) break;
      status = writer_->Write(entry.record);
    }
    status.Update(Failpoint("ledger.commit"));
    if (status.ok()) status = file_->Execute("COMMIT");
    status.Update(Failpoint("ledger.committed"));
    if (!status.ok()) file_->Execute("ROLLBACK").IgnoreError();
    return status;
  }

  // The fence: a learner that was paused while another took over finds a newer
  // epoch.
  absl::Status CheckOwner() {
    ASSIGN_OR_RETURN(const uint64_t newest,
                     file_->Integer("SELECT max(epoch) FROM epochs"));
    if (newest == epoch_) return absl::OkStatus();
    return absl::AbortedError(absl::StrCat(
        "ledger ", options_.path, " was taken over: epoch=", newest,
        ", this learner's is ", epoch_, "; another process resumed the run"));
  }

  const Options options_;
  const std::unique_ptr<SqliteFile> file_;  // the thread's, once it runs
  uint64_t epoch_ = 0;                      // constant after Start
  std::unique_ptr<LedgerWriter> writer_;    // the thread's, once it runs

  absl::Mutex reader_mu_;
  std::unique_ptr<SqliteFile> reader_ ABSL_PT_GUARDED_BY(reader_mu_);

  mutable absl::Mutex mu_;
  std::deque<Entry> queue_ ABSL_GUARDED_BY(mu_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t appended_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t finished_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t replaced_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status error_ ABSL_GUARDED_BY(mu_);
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Ledger>> Ledger::Open(const Options& options) {
  ASSIGN_OR_RETURN(
      auto file,
      SqliteFile::Open(options.path, SqliteFile::Mode::kCreate, options.vfs));
  // WAL: readers and the writer do not wait for each other. FULL: a commit
  // returns after its WAL frames are synced.
  RETURN_IF_ERROR(
      file->Execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"));
  RETURN_IF_ERROR(
      OpenLedgerSchema(*file, options.run_id, options.model_digest));
  auto ledger = std::make_unique<LedgerImpl>(std::move(file), options);
  RETURN_IF_ERROR(ledger->Start());
  return ledger;
}

}  // namespace operant::learner
