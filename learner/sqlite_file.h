// SQLite with Status and without a chance to forget a finalize.
#ifndef OPERANT_LEARNER_SQLITE_FILE_H_
#define OPERANT_LEARNER_SQLITE_FILE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace operant::learner {

// A prepared statement; one thread at a time. Parameters and columns count from
// 1 and 0, as SQLite's do.
class SqliteStatement {
 public:
  SqliteStatement() = default;
  void Bind(int parameter, uint64_t value);
  void Bind(int parameter, double value);
  void BindText(int parameter, std::string_view text);
  void BindBlob(int parameter, std::string_view bytes);

  // True: a row is there. False: done, and the statement is reset.
  absl::StatusOr<bool> Step();
  // Steps to the end and resets.
  absl::Status Run();

  uint64_t Integer(int column) const;
  double Real(int column) const;
  std::string Bytes(int column) const;  // of a text or blob
  bool IsNull(int column) const;

 private:
  friend class SqliteFile;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  std::string path_;
};

// An open database; must outlive its statements. One thread at a time.
class SqliteFile {
 public:
  enum class Mode { kReadOnly, kCreate };

  // `vfs` empty: the system's. Errors name the path: NotFound,
  // PermissionDenied, ResourceExhausted (disk full), DataLoss (damaged, not a
  // database, or the disk failed), Unavailable (locked).
  static absl::StatusOr<std::unique_ptr<SqliteFile>> Open(
      const std::string& path, Mode mode, const std::string& vfs = "");

  absl::Status Execute(const std::string& sql);
  absl::StatusOr<SqliteStatement> Prepare(const std::string& sql);
  // The first column of the first row.
  absl::StatusOr<uint64_t> Integer(const std::string& sql);
  absl::StatusOr<std::string> Text(const std::string& sql);
  // Rows that the last statement changed.
  int Changes() const;

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  std::unique_ptr<sqlite3, Close> database_;
  std::string path_;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_SQLITE_FILE_H_
