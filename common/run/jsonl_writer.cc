#include "common/run/jsonl_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"

namespace operant {
namespace {

absl::Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "cannot append to", path);
    bytes.remove_prefix(n);
  }
  return absl::OkStatus();
}

// Whether a row belongs to the steps that are kept.
absl::StatusOr<bool> IsKept(std::string_view row, int64_t last_step) {
  const auto json = nlohmann::json::parse(row, nullptr, /*throw=*/false);
  if (json.is_discarded() || !json.is_object()) {
    return absl::DataLossError("expected a JSON object");
  }
  const auto step = json.find("step");
  if (step == json.end() || !step->is_number_integer()) return true;
  return step->get<int64_t>() <= last_step;
}

}  // namespace

absl::StatusOr<std::unique_ptr<JsonlWriter>> JsonlWriter::Open(
    const std::string& path) {
  const int fd =
      open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoStatus(errno, "cannot open", path);
  return std::unique_ptr<JsonlWriter>(new JsonlWriter(fd, path));
}

JsonlWriter::~JsonlWriter() { close(fd_); }

absl::Status JsonlWriter::Append(std::string_view json_object) {
  if (json_object.find('\n') != std::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot append to ", path_,
                     ": a newline in the row, expected one line"));
  }
  return WriteAll(fd_, std::string(json_object) + "\n", path_);
}

absl::Status JsonlWriter::Sync() {
  if (fsync(fd_) != 0) return ErrnoStatus(errno, "cannot sync", path_);
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> JsonlWriter::Size() const {
  struct stat info;
  if (fstat(fd_, &info) != 0)
    return ErrnoStatus(errno, "cannot inspect", path_);
  return static_cast<uint64_t>(info.st_size);
}

absl::StatusOr<bool> CutJsonlAt(const std::string& path, uint64_t bytes) {
  if (!FileExists(path)) return bytes == 0;
  ASSIGN_OR_RETURN(const std::unique_ptr<JsonlWriter> file,
                   JsonlWriter::Open(path));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  if (size < bytes) return false;
  if (truncate(path.c_str(), static_cast<off_t>(bytes)) != 0)
    return ErrnoStatus(errno, "cannot cut", path);
  RETURN_IF_ERROR(file->Sync());
  return true;
}

absl::Status CutJsonlAfterStep(const std::string& path, int64_t last_step) {
  if (!FileExists(path)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  std::string kept;
  size_t begin = 0;
  // What follows the last newline was cut by a crash: left out.
  for (int line = 1; begin < text.size(); ++line) {
    const size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;
    const auto row = std::string_view(text).substr(begin, end - begin);
    const absl::StatusOr<bool> keep = IsKept(row, last_step);
    if (!keep.ok()) {
      return absl::DataLossError(absl::StrCat(
          "cannot resume: ", path, ":", line, ": ", keep.status().message()));
    }
    if (*keep) kept.append(row).push_back('\n');
    begin = end + 1;
  }
  if (kept.size() == text.size()) return absl::OkStatus();
  return WriteFileAtomically(path, kept);
}

}  // namespace operant
