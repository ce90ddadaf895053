#include "learner/checkpoint_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/failpoint.h"
#include "common/base/file_io.h"
#include "common/base/file_recorder.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "learner/checkpoint_manifest.h"

namespace operant::learner {
namespace {

// For what the manifest, the folders and a few more digits take.
constexpr uint64_t kSlackBytes = 64 << 10;

absl::Status Rename(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "renaming to", to);
}

// Gives `path` exactly `bytes` of the disk.
absl::Status Allocate(const std::string& path, uint64_t bytes) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoStatus(errno, "cannot open", path);
  const auto close_fd = absl::MakeCleanup([fd] { close(fd); });
  const auto size = static_cast<off_t>(bytes);
  // Its error is returned, not left in errno.
  const int error = posix_fallocate(fd, 0, size);
  if (error == 0 && ftruncate(fd, size) == 0) return absl::OkStatus();
  return ErrnoStatus(error != 0 ? error : errno, "cannot allocate", path);
}

}  // namespace

std::string CheckpointStore::PathOf(uint64_t step) const {
  return JoinPath(folder_, absl::StrCat("step_", step));
}

std::string CheckpointStore::ReservePath() const {
  return JoinPath(folder_, ".reserved");
}

absl::Status CheckpointStore::Reserve(uint64_t bytes) {
  RETURN_IF_ERROR(Failpoint("checkpoint.reserve"));
  const absl::Status taken = Allocate(ReservePath(), bytes + kSlackBytes);
  if (taken.ok()) return absl::OkStatus();
  RETURN_IF_ERROR(RemoveTree(ReservePath()));
  if (!absl::IsResourceExhausted(taken)) return taken;
  return absl::ResourceExhaustedError(absl::StrCat(
      "no room for a checkpoint: ", folder_, " needs ", bytes + kSlackBytes,
      " bytes more; free some space, or set run.root to another disk"));
}

absl::Status CheckpointStore::Write(
    uint64_t step,
    const std::function<absl::Status(const std::string& folder)>& write) {
  RETURN_IF_ERROR(Failpoint("checkpoint.begin"));
  const std::string staging = JoinPath(folder_, absl::StrCat(".step_", step));
  absl::Cleanup remove = [&staging] { RemoveTree(staging).IgnoreError(); };
  RETURN_IF_ERROR(RemoveTree(ReservePath()));
  uint64_t bytes = 0;
  RETURN_IF_ERROR(Stage(staging, write, bytes));
  RETURN_IF_ERROR(Publish(staging, step));
  std::move(remove).Cancel();
  const absl::Status reserved = Reserve(bytes);
  if (!reserved.ok()) {
    LogWarning("the next checkpoint has no room yet",
               {{"cause", reserved.ToString()}});
  }
  return absl::OkStatus();
}

absl::Status CheckpointStore::Stage(
    const std::string& staging,
    const std::function<absl::Status(const std::string& folder)>& write,
    uint64_t& bytes) const {
  RETURN_IF_ERROR(RemoveTree(staging));
  RETURN_IF_ERROR(MakeDirectories(staging));
  const FileRecorder recorder;
  RETURN_IF_ERROR(write(staging));
  RETURN_IF_ERROR(Failpoint("checkpoint.manifest"));
  RETURN_IF_ERROR(WriteManifest(staging, recorder.files()));
  for (const auto& [file, digest] : recorder.files()) bytes += digest.bytes;
  return FsyncDirectory(staging);
}

absl::Status CheckpointStore::Publish(const std::string& staging,
                                      uint64_t step) const {
  // One of this step that does not verify, or that another life of the run
  // wrote.
  RETURN_IF_ERROR(Remove(PathOf(step)));
  RETURN_IF_ERROR(Failpoint("checkpoint.rename"));
  RETURN_IF_ERROR(Rename(staging, PathOf(step)));
  RETURN_IF_ERROR(FsyncDirectory(folder_));
  RETURN_IF_ERROR(Failpoint("checkpoint.marker"));
  RETURN_IF_ERROR(WriteFileAtomically(JoinPath(PathOf(step), kMarkerName), ""));
  return Failpoint("checkpoint.complete");
}

absl::Status CheckpointStore::Remove(const std::string& checkpoint) const {
  if (!FileExists(checkpoint)) return absl::OkStatus();
  const std::string marker = JoinPath(checkpoint, kMarkerName);
  if (FileExists(marker)) {
    RETURN_IF_ERROR(RemoveTree(marker));
    RETURN_IF_ERROR(FsyncDirectory(checkpoint));
    RETURN_IF_ERROR(Failpoint("checkpoint.unmarked"));
  }
  return RemoveTree(checkpoint);
}

std::vector<uint64_t> CheckpointStore::steps() const {
  std::vector<uint64_t> steps;
  absl::StatusOr<std::vector<std::string>> names = ListDirectory(folder_);
  if (!names.ok()) return steps;
  for (const std::string& name : *names) {
    absl::string_view number = name;
    uint64_t step = 0;
    if (absl::ConsumePrefix(&number, "step_") &&
        absl::SimpleAtoi(number, &step) &&
        FileExists(JoinPath(JoinPath(folder_, name), kMarkerName)))
      steps.push_back(step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

absl::StatusOr<std::string> CheckpointStore::Latest() const {
  const std::vector<uint64_t> all = steps();
  absl::Status newest;
  for (auto step = all.rbegin(); step != all.rend(); ++step) {
    const absl::Status status = VerifyCheckpoint(PathOf(*step));
    if (status.ok()) return PathOf(*step);
    newest.Update(status);
    LogError("CHECKPOINT DOES NOT VERIFY; trying the one before it",
             {{"path", PathOf(*step)}, {"cause", status.ToString()}});
  }
  if (newest.ok()) {
    return absl::NotFoundError(
        absl::StrCat("no complete checkpoint under ", folder_));
  }
  return absl::DataLossError(absl::StrCat(
      "no checkpoint under ", folder_, " verifies; the newest: ",
      newest.message(), "; restore one from a copy, or start a new run"));
}

absl::Status CheckpointStore::Prune(int keep, uint64_t protected_step) const {
  RETURN_IF_ERROR(Failpoint("checkpoint.prune"));
  const std::vector<uint64_t> all = steps();
  for (size_t i = 0; i + keep < all.size(); ++i) {
    if (all[i] == protected_step) continue;
    RETURN_IF_ERROR(Remove(PathOf(all[i])));
  }
  return absl::OkStatus();
}

absl::Status VerifyCheckpoint(const std::string& checkpoint) {
  if (!FileExists(JoinPath(checkpoint, kMarkerName))) {
    return absl::NotFoundError(
        absl::StrCat(checkpoint, ": no ", kMarkerName, ", it was cut short"));
  }
  ASSIGN_OR_RETURN(const CheckpointFiles files, ReadManifest(checkpoint));
  return CheckFiles(checkpoint, files);
}

}  // namespace operant::learner
