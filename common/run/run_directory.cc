#include "common/run/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/config.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"

namespace operant {
namespace {

namespace fs = std::filesystem;

bool IsUsed(const std::string& path) {
  if (FileExists(JoinPath(path, "metrics.jsonl"))) return true;
  if (FileExists(JoinPath(path, "result.json"))) return true;
  const auto checkpoints = ListDirectory(JoinPath(path, "checkpoints"));
  return checkpoints.ok() && !checkpoints->empty();
}

// Makes `path` and what is missing above it, durably: a file that is synced in
// a folder goes with the folder if a power cut takes that one's name. A folder
// that is there may have been made by a process that was killed: its name is
// synced too.
absl::Status MakeDurableDirectories(const std::string& path) {
  std::vector<std::string> unsure = {path};
  for (fs::path at = fs::path(path).parent_path();
       !at.empty() && !FileExists(at.string()); at = at.parent_path())
    unsure.push_back(at.string());
  RETURN_IF_ERROR(MakeDirectories(path));
  for (const std::string& folder : unsure) {
    const std::string parent = fs::path(folder).parent_path().string();
    RETURN_IF_ERROR(FsyncDirectory(parent.empty() ? "." : parent));
  }
  return absl::OkStatus();
}

// A disk that cannot be written names the setting that leads there.
absl::Status NotWritable(const absl::Status& status) {
  if (!absl::IsPermissionDenied(status)) return status;
  return absl::PermissionDeniedError(absl::StrCat(
      status.message(), "; a run writes to its directory: mount the disk for ",
      "writing, or set run.root to one that this user may write to"));
}

// The pid in the lock file, or 0.
int HolderOf(int fd) {
  char text[32] = {};
  const ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
  int pid = 0;
  if (n <= 0 || !absl::SimpleAtoi(absl::string_view(text, n), &pid)) return 0;
  return pid;
}

absl::Status WriteHolder(int fd, const std::string& path) {
  const std::string pid = absl::StrCat(getpid(), "\n");
  if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) < 0) {
    return ErrnoStatus(errno, "cannot write", path);
  }
  return absl::OkStatus();
}

// The locked descriptor, or -1 when the parent process holds the lock.
absl::StatusOr<int> TakeLock(const std::string& folder) {
  const std::string path = JoinPath(folder, ".lock");
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoStatus(errno, "cannot open", path);
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
    const absl::Status written = WriteHolder(fd, path);
    if (written.ok()) return fd;
    close(fd);
    return written;
  }
  const int holder = HolderOf(fd);
  close(fd);
  if (holder == getppid()) return -1;
  return absl::FailedPreconditionError(absl::StrCat(
      "run directory ", folder, " is in use: pid=", holder,
      ", expected no other process on this run; stop it or set run.name"));
}

absl::StatusOr<nlohmann::json> ReadResult(const std::string& path) {
  if (!FileExists(path)) return nlohmann::json::object();
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  auto json = nlohmann::json::parse(text, nullptr, /*throw=*/false);
  if (json.is_object()) return json;
  return absl::DataLossError(
      absl::StrCat("cannot add to ", path, ": expected a JSON object"));
}

}  // namespace

absl::Status RunDirectory::CheckUnused(const std::string& root,
                                       const std::string& name) {
  const std::string path = JoinPath(root, name);
  if (!IsUsed(path)) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat(
      "cannot start a run: ", path,
      " holds one already, expected a new name; "
      "add --resume to go on with it, set run.name to another, or remove it"));
}

absl::StatusOr<std::unique_ptr<RunDirectory>> RunDirectory::Open(
    const std::string& root, const std::string& name, Mode mode) {
  if (!IsSafeName(name)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "run.name: '", name, "', expected letters, digits, '.', '_', '-', at ",
        "most 128, the first a letter or digit"));
  }
  std::string path = JoinPath(root, name);
  if (mode == Mode::kFresh) RETURN_IF_ERROR(CheckUnused(root, name));
  const bool was_used = IsUsed(path);
  RETURN_IF_ERROR(NotWritable(MakeDurableDirectories(path)));
  for (const char* folder : {"checkpoints", "samples", "logs", "plots"}) {
    RETURN_IF_ERROR(
        NotWritable(MakeDurableDirectories(JoinPath(path, folder))));
  }
  const absl::StatusOr<int> lock_fd = TakeLock(path);
  RETURN_IF_ERROR(NotWritable(lock_fd.status()));
  return std::unique_ptr<RunDirectory>(
      new RunDirectory(std::move(path), *lock_fd, was_used));
}

RunDirectory::~RunDirectory() {
  if (lock_fd_ >= 0) close(lock_fd_);
}

std::string RunDirectory::config_path() const {
  return JoinPath(path_, "config.yaml");
}
std::string RunDirectory::checkpoints_path() const {
  return JoinPath(path_, "checkpoints");
}
std::string RunDirectory::checkpoint_path(int64_t step) const {
  return JoinPath(checkpoints_path(), absl::StrCat("step_", step));
}
std::string RunDirectory::model_path() const {
  return JoinPath(path_, "model");
}
std::string RunDirectory::ledger_path() const {
  return JoinPath(path_, "ledger.sqlite");
}

std::string RunDirectory::metrics_path() const {
  return JoinPath(path_, "metrics.jsonl");
}
std::string RunDirectory::samples_path(int64_t step) const {
  return JoinPath(path_, absl::StrCat("samples/step_", step, ".jsonl"));
}
std::string RunDirectory::log_path(const std::string& role) const {
  return JoinPath(path_, absl::StrCat("logs/", role, ".log"));
}
std::string RunDirectory::plot_path(const std::string& name) const {
  return JoinPath(path_, absl::StrCat("plots/", name, ".svg"));
}
std::string RunDirectory::result_path() const {
  return JoinPath(path_, "result.json");
}

absl::Status RunDirectory::WriteConfig(const v1::RunConfig& config) const {
  return WriteFileAtomically(config_path(), ConfigToYaml(config));
}

absl::Status RunDirectory::MergeResult(std::string_view json_object) const {
  const auto added = nlohmann::json::parse(json_object, nullptr, false);
  if (!added.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cannot add to ", result_path(), ": the addition is no JSON object"));
  }
  ASSIGN_OR_RETURN(nlohmann::json result, ReadResult(result_path()));
  result.merge_patch(added);
  return WriteFileAtomically(result_path(), result.dump(2) + "\n");
}

}  // namespace operant
