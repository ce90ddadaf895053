#include "common/deploy/write_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"

namespace operant::deploy {
namespace {

// Whether there is something at `folder`; an error if it may not be replaced.
absl::StatusOr<bool> IsThere(const std::string& folder) {
  if (!FileExists(folder)) return false;
  const auto names = ListDirectory(folder);
  if (names.ok() && names->empty()) return true;
  const auto readme = ReadFile(JoinPath(folder, "README.md"));
  if (readme.ok() && absl::StartsWith(*readme, kRenderedMark)) return true;
  return absl::AlreadyExistsError(absl::StrCat(
      "folder holds something else: -o ", folder,
      ", expected a new, an empty or a rendered folder; name another"));
}

absl::Status WriteAll(const std::string& folder, const Files& files) {
  for (const auto& [path, text] : files) {
    const std::string target = JoinPath(folder, path);
    RETURN_IF_ERROR(MakeDirectories(target.substr(0, target.rfind('/'))));
    RETURN_IF_ERROR(WriteFileAtomically(target, text));
  }
  return absl::OkStatus();
}

std::string WithoutSlashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

}  // namespace

absl::Status WriteFolder(const std::string& path, const Files& files) {
  const std::string folder = WithoutSlashes(path);
  ASSIGN_OR_RETURN(const bool there, IsThere(folder));
  const std::string staging = absl::StrCat(folder, ".partial-", getpid());
  const auto clean =
      absl::MakeCleanup([&staging] { RemoveTree(staging).IgnoreError(); });
  RETURN_IF_ERROR(MakeDirectories(staging));
  RETURN_IF_ERROR(WriteAll(staging, files));
  // Exchanged, so that the old folder is what the clean-up removes.
  if (renameat2(AT_FDCWD, staging.c_str(), AT_FDCWD, folder.c_str(),
                there ? RENAME_EXCHANGE : RENAME_NOREPLACE) != 0) {
    return ErrnoStatus(errno, "cannot put in place", folder);
  }
  return absl::OkStatus();
}

}  // namespace operant::deploy
