// Append-only files of one JSON object a line: metrics.jsonl, samples.
#ifndef OPERANT_COMMON_RUN_JSONL_WRITER_H_
#define OPERANT_COMMON_RUN_JSONL_WRITER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace operant {

// Not thread-safe. Each row reaches the kernel in one write, so a reader (or a
// crash of this process) sees whole lines; Sync() makes them survive a crash of
// the machine.
class JsonlWriter {
 public:
  // Opens `path` for appending, creating it. Errors: as the system says.
  static absl::StatusOr<std::unique_ptr<JsonlWriter>> Open(
      const std::string& path);
  ~JsonlWriter();
  JsonlWriter(const JsonlWriter&) = delete;
  JsonlWriter& operator=(const JsonlWriter&) = delete;

  // Appends `json_object`, which must hold no newline (InvalidArgument).
  absl::Status Append(std::string_view json_object);
  absl::Status Sync();
  // Bytes of the file, those of other writers included.
  absl::StatusOr<uint64_t> Size() const;

 private:
  JsonlWriter(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  const int fd_;
  const std::string path_;
};

// Removes, atomically, what a resumed run will write again: each row whose
// integer `step` is above `last_step`, and a last line cut by a crash. Rows
// without a `step` stay. A missing file is OK. Errors: DataLoss naming the line
// that is not JSON.
absl::Status CutJsonlAfterStep(const std::string& path, int64_t last_step);

// Cuts the file after its first `bytes`, durably; a missing one counts as
// empty. False: it is shorter, and was left alone.
absl::StatusOr<bool> CutJsonlAt(const std::string& path, uint64_t bytes);

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_JSONL_WRITER_H_
