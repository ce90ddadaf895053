#include "learner/sqlite_file.h"

#include <sqlite3.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace operant::learner {
namespace {

// How long a writer waits for another's lock.
constexpr int kBusyMilliseconds = 5000;

absl::StatusCode CodeFor(int error) {
  switch (error & 0xff) {
    case SQLITE_FULL:
    case SQLITE_NOMEM:
      return absl::StatusCode::kResourceExhausted;
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return absl::StatusCode::kPermissionDenied;
    case SQLITE_CANTOPEN:
      return absl::StatusCode::kNotFound;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kInternal;
  }
}

std::string_view NextStep(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kResourceExhausted:
      return "; free space and --resume";
    case absl::StatusCode::kDataLoss:
      return "; check the disk and restore the file, or start a new run";
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kNotFound:
      return "; check that the run directory is there and writable";
    default:
      return "";
  }
}

absl::Status Failure(int error, const std::string& path, const char* detail) {
  const absl::StatusCode code = CodeFor(error);
  const std::string_view next = NextStep(code);
  return absl::Status(
      code,
      absl::StrCat("ledger ", path, " failed: ", detail, " (SQLite ", error,
                   ")", absl::string_view(next.data(), next.size())));
}

absl::Status Failure(sqlite3* database, const std::string& path) {
  return Failure(sqlite3_extended_errcode(database), path,
                 sqlite3_errmsg(database));
}

}  // namespace

void SqliteStatement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

void SqliteFile::Close::operator()(sqlite3* database) const {
  sqlite3_close(database);
}

void SqliteStatement::Bind(int parameter, uint64_t value) {
  sqlite3_bind_int64(statement_.get(), parameter, static_cast<int64_t>(value));
}

void SqliteStatement::Bind(int parameter, double value) {
  sqlite3_bind_double(statement_.get(), parameter, value);
}

void SqliteStatement::BindText(int parameter, std::string_view text) {
  sqlite3_bind_text(statement_.get(), parameter, text.data(),
                    static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

void SqliteStatement::BindBlob(int parameter, std::string_view bytes) {
  sqlite3_bind_blob(statement_.get(), parameter, bytes.data(),
                    static_cast<int>(bytes.size()), SQLITE_TRANSIENT);
}

absl::StatusOr<bool> SqliteStatement::Step() {
  const int result = sqlite3_step(statement_.get());
  if (result == SQLITE_ROW) return true;
  absl::Status status;
  if (result != SQLITE_DONE)
    status = Failure(sqlite3_db_handle(statement_.get()), path_);
  sqlite3_reset(statement_.get());
  if (!status.ok()) return status;
  return false;
}

absl::Status SqliteStatement::Run() {
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, Step());
    if (!row) return absl::OkStatus();
  }
}

uint64_t SqliteStatement::Integer(int column) const {
  return static_cast<uint64_t>(sqlite3_column_int64(statement_.get(), column));
}

double SqliteStatement::Real(int column) const {
  return sqlite3_column_double(statement_.get(), column);
}

std::string SqliteStatement::Bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const int bytes = sqlite3_column_bytes(statement_.get(), column);
  if (bytes == 0) return "";
  return std::string(static_cast<const char*>(data), bytes);
}

bool SqliteStatement::IsNull(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

absl::StatusOr<std::unique_ptr<SqliteFile>> SqliteFile::Open(
    const std::string& path, Mode mode, const std::string& vfs) {
  const int flags = mode == Mode::kReadOnly
                        ? SQLITE_OPEN_READONLY
                        : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  sqlite3* database = nullptr;
  const int result =
      sqlite3_open_v2(path.c_str(), &database, flags | SQLITE_OPEN_NOMUTEX,
                      vfs.empty() ? nullptr : vfs.c_str());
  auto file = std::make_unique<SqliteFile>();
  file->database_.reset(database);
  file->path_ = path;
  if (result != SQLITE_OK) {
    return database == nullptr ? Failure(result, path, sqlite3_errstr(result))
                               : Failure(database, path);
  }
  sqlite3_busy_timeout(database, kBusyMilliseconds);
  return file;
}

absl::Status SqliteFile::Execute(const std::string& sql) {
  if (sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr) ==
      SQLITE_OK)
    return absl::OkStatus();
  return Failure(database_.get(), path_);
}

absl::StatusOr<SqliteStatement> SqliteFile::Prepare(const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database_.get(), sql.c_str(), -1, &statement,
                         nullptr) != SQLITE_OK)
    return Failure(database_.get(), path_);
  SqliteStatement prepared;
  prepared.statement_.reset(statement);
  prepared.path_ = path_;
  return prepared;
}

absl::StatusOr<uint64_t> SqliteFile::Integer(const std::string& sql) {
  ASSIGN_OR_RETURN(SqliteStatement statement, Prepare(sql));
  ASSIGN_OR_RETURN(const bool row, statement.Step());
  return row ? statement.Integer(0) : 0;
}

absl::StatusOr<std::string> SqliteFile::Text(const std::string& sql) {
  ASSIGN_OR_RETURN(SqliteStatement statement, Prepare(sql));
  ASSIGN_OR_RETURN(const bool row, statement.Step());
  return row ? statement.Bytes(0) : std::string();
}

int SqliteFile::Changes() const { return sqlite3_changes(database_.get()); }

}  // namespace operant::learner
