// Files, with errors that name the path and what to do.
#ifndef OPERANT_COMMON_BASE_FILE_IO_H_
#define OPERANT_COMMON_BASE_FILE_IO_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace operant {

// Whole contents. Errors: NotFound, PermissionDenied, InvalidArgument (not a
// regular file, or over `max_bytes`).
absl::StatusOr<std::string> ReadFile(const std::string& path,
                                     uint64_t max_bytes = uint64_t{1} << 34);

// Replaces `path` so that a reader, or a crash at any instant, sees the old
// contents or the new, never a part: temporary file beside it, fsync, rename,
// fsync of the folder. Errors: as the system says, path included (no space:
// ResourceExhausted).
absl::Status WriteFileAtomically(const std::string& path,
                                 std::string_view contents);

absl::Status MakeDirectories(const std::string& path);
absl::Status FsyncDirectory(const std::string& path);
bool FileExists(const std::string& path);
// Names (not paths), sorted. Errors: NotFound.
absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path);
absl::Status RemoveTree(const std::string& path);
std::string JoinPath(std::string_view folder, std::string_view name);
// Whether `name` is [A-Za-z0-9][A-Za-z0-9._-]{0,127}: safe as one path part.
bool IsSafeName(std::string_view name);

// Calls `line(number from 1, text without "\n" or "\r\n")` for each line;
// stops at the first error and returns it. A line longer than `max_line_bytes`
// is InvalidArgument naming path and line.
absl::Status ForEachLine(
    const std::string& path, uint64_t max_line_bytes,
    const std::function<absl::Status(int64_t, std::string_view)>& line);

// errno as a Status of the fitting code: "<what> <path>: <strerror>".
absl::Status ErrnoStatus(int error, std::string_view what,
                         std::string_view path);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_FILE_IO_H_
