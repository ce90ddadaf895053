#include "tests/chaos/crash/file_trace.h"

#include <linux/fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include <atomic>
#include <cstdarg>
#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>

// <fcntl.h> and <unistd.h> may define some of these inline: not included.
extern "C" long syscall(long number, ...) noexcept;

namespace operant::chaos {
namespace {

std::atomic<bool> g_recording{false};
std::atomic<bool> g_skip_syncs{false};

struct Parent {
  int node = kNobody;
  std::string name;  // of the last part
};

// Nodes are found by inode; one whose last name went is forgotten, so that a
// new file with its number is another node.
class Recorder {
 public:
  void Begin(const std::string& folder) {
    const std::lock_guard lock(mu_);
    trace_ = {};
    nodes_.clear();
    NewNode(InodeAt(AT_FDCWD, folder.c_str()), /*is_folder=*/true);
  }
  FileTrace Take() {
    const std::lock_guard lock(mu_);
    return std::exchange(trace_, {});
  }
  void Note(std::string_view text, uint64_t value) {
    const std::lock_guard lock(mu_);
    trace_.events.push_back({.kind = FileEvent::Kind::kNote,
                             .offset = value,
                             .bytes = std::string(text)});
  }

  int Open(int at, const char* path, int flags, unsigned mode) {
    const std::lock_guard lock(mu_);
    const uint64_t before = InodeAt(at, path);
    const long fd = syscall(SYS_openat, at, path, flags, mode);
    if (fd < 0) return -1;
    if (before == 0) {
      Add(ParentOf(at, path), InodeAt(at, path), /*is_folder=*/false);
    } else if ((flags & O_TRUNC) != 0) {
      Append(FileEvent::Kind::kResize, NodeOf(before), 0, {});
    }
    return static_cast<int>(fd);
  }

  ssize_t Write(int fd, const void* data, size_t size, int64_t offset) {
    const std::lock_guard lock(mu_);
    const int node = NodeOf(InodeOf(fd));
    const bool positioned = offset >= 0;
    if (!positioned && node != kNobody)
      offset = syscall(SYS_lseek, fd, 0, 1 /* SEEK_CUR */);
    const long put = positioned ? syscall(SYS_pwrite64, fd, data, size, offset)
                                : syscall(SYS_write, fd, data, size);
    if (put > 0) {
      Append(FileEvent::Kind::kWrite, node, static_cast<uint64_t>(offset),
             std::string(static_cast<const char*>(data), put));
    }
    return put;
  }

  int Resize(int fd, int64_t size) {
    const std::lock_guard lock(mu_);
    const long result = syscall(SYS_ftruncate, fd, size);
    if (result == 0)
      Append(FileEvent::Kind::kResize, NodeOf(InodeOf(fd)), size, {});
    return static_cast<int>(result);
  }

  int Allocate(int fd, int64_t offset, int64_t size) {
    const std::lock_guard lock(mu_);
    struct stat info;
    if (syscall(SYS_fallocate, fd, 0, offset, size) != 0) return 28;  // ENOSPC
    fstat(fd, &info);
    Append(FileEvent::Kind::kResize, NodeOf(InodeOf(fd)), info.st_size, {});
    return 0;
  }

  int Sync(int fd, long number) {
    const std::lock_guard lock(mu_);
    const long result = syscall(number, fd);
    if (result == 0) Append(FileEvent::Kind::kSync, NodeOf(InodeOf(fd)), 0, {});
    return static_cast<int>(result);
  }

  int MakeFolder(int at, const char* path, unsigned mode) {
    const std::lock_guard lock(mu_);
    const long result = syscall(SYS_mkdirat, at, path, mode);
    if (result == 0)
      Add(ParentOf(at, path), InodeAt(at, path), /*is_folder=*/true);
    return static_cast<int>(result);
  }

  int Remove(int at, const char* path, int flags) {
    const std::lock_guard lock(mu_);
    const uint64_t inode = InodeAt(at, path);
    const Parent parent = ParentOf(at, path);
    const long result = syscall(SYS_unlinkat, at, path, flags);
    if (result == 0) {
      Names(parent.node, {{parent.name, kNobody}});
      nodes_.erase(inode);
    }
    return static_cast<int>(result);
  }

  int Rename(const char* from, const char* to) {
    const std::lock_guard lock(mu_);
    const uint64_t moved = InodeAt(AT_FDCWD, from);
    const uint64_t replaced = InodeAt(AT_FDCWD, to);
    const Parent old_parent = ParentOf(AT_FDCWD, from);
    const Parent parent = ParentOf(AT_FDCWD, to);
    const long result =
        syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0u);
    if (result != 0) return -1;
    if (old_parent.node != parent.node) std::abort();
    Names(parent.node,
          {{old_parent.name, kNobody}, {parent.name, NodeOf(moved)}});
    nodes_.erase(replaced);
    return 0;
  }

 private:
  static uint64_t InodeAt(int at, const char* path) {
    struct stat info;
    if (fstatat(at, path, &info, AT_SYMLINK_NOFOLLOW) != 0) return 0;
    return info.st_ino;
  }
  static uint64_t InodeOf(int fd) {
    struct stat info;
    return fstat(fd, &info) == 0 ? info.st_ino : 0;
  }
  int NodeOf(uint64_t inode) const {
    const auto found = nodes_.find(inode);
    return found == nodes_.end() ? kNobody : found->second;
  }
  Parent ParentOf(int at, const char* path) const {
    const std::string_view whole(path);
    const size_t slash = whole.rfind('/');
    if (slash == std::string_view::npos) {
      return {NodeOf(at == AT_FDCWD ? InodeAt(at, ".") : InodeOf(at)),
              std::string(whole)};
    }
    const std::string folder(whole.substr(0, slash));
    return {NodeOf(InodeAt(at, folder.c_str())),
            std::string(whole.substr(slash + 1))};
  }

  int NewNode(uint64_t inode, bool is_folder) {
    const int node = static_cast<int>(trace_.is_folder.size());
    trace_.is_folder.push_back(is_folder);
    nodes_[inode] = node;
    return node;
  }
  void Add(const Parent& parent, uint64_t inode, bool is_folder) {
    if (parent.node == kNobody) return;
    Names(parent.node, {{parent.name, NewNode(inode, is_folder)}});
  }
  void Names(int folder, std::vector<EntryChange> entries) {
    if (folder == kNobody) return;
    trace_.events.push_back({.kind = FileEvent::Kind::kNames,
                             .node = folder,
                             .entries = std::move(entries)});
  }
  void Append(FileEvent::Kind kind, int node, uint64_t offset,
              std::string bytes) {
    if (node == kNobody) return;
    trace_.events.push_back({.kind = kind,
                             .node = node,
                             .offset = offset,
                             .bytes = std::move(bytes)});
  }

  std::mutex mu_;
  FileTrace trace_;
  std::map<uint64_t, int> nodes_;  // by inode
};

Recorder& TheRecorder() {
  static Recorder& recorder = *new Recorder;
  return recorder;
}

int AnyOpen(int at, const char* path, int flags, unsigned mode) {
  if (!g_recording || (flags & (O_CREAT | O_TRUNC)) == 0)
    return static_cast<int>(syscall(SYS_openat, at, path, flags, mode));
  return TheRecorder().Open(at, path, flags, mode);
}

int AnySync(int fd, long number) {
  if (g_skip_syncs) return 0;
  if (!g_recording) return static_cast<int>(syscall(number, fd));
  return TheRecorder().Sync(fd, number);
}

int AnyRemove(int at, const char* path, int flags) {
  if (!g_recording)
    return static_cast<int>(syscall(SYS_unlinkat, at, path, flags));
  return TheRecorder().Remove(at, path, flags);
}

int AnyMakeFolder(int at, const char* path, unsigned mode) {
  if (!g_recording)
    return static_cast<int>(syscall(SYS_mkdirat, at, path, mode));
  return TheRecorder().MakeFolder(at, path, mode);
}

ssize_t AnyPwrite(int fd, const void* data, size_t size, int64_t offset) {
  if (!g_recording) return syscall(SYS_pwrite64, fd, data, size, offset);
  return TheRecorder().Write(fd, data, size, offset);
}

int AnyResize(int fd, int64_t size) {
  if (!g_recording) return static_cast<int>(syscall(SYS_ftruncate, fd, size));
  return TheRecorder().Resize(fd, size);
}

// What posix_fallocate returns; it leaves errno alone.
int AnyAllocate(int fd, int64_t offset, int64_t size) {
  if (!g_recording)
    return syscall(SYS_fallocate, fd, 0, offset, size) == 0 ? 0 : 28;
  return TheRecorder().Allocate(fd, offset, size);
}

}  // namespace

void BeginTrace(const std::string& folder) {
  TheRecorder().Begin(folder);
  g_recording = true;
}

FileTrace EndTrace() {
  g_recording = false;
  return TheRecorder().Take();
}

void NoteInTrace(std::string_view text, uint64_t value) {
  if (g_recording) TheRecorder().Note(text, value);
}

void SkipSyncs(bool skip) { g_skip_syncs = skip; }

}  // namespace operant::chaos

// libc's names.
extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const unsigned mode = va_arg(arguments, unsigned);
  va_end(arguments);
  return operant::chaos::AnyOpen(AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const unsigned mode = va_arg(arguments, unsigned);
  va_end(arguments);
  return operant::chaos::AnyOpen(AT_FDCWD, path, flags, mode);
}
int openat(int at, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const unsigned mode = va_arg(arguments, unsigned);
  va_end(arguments);
  return operant::chaos::AnyOpen(at, path, flags, mode);
}

ssize_t write(int fd, const void* data, size_t size) {
  if (!operant::chaos::g_recording) return syscall(SYS_write, fd, data, size);
  return operant::chaos::TheRecorder().Write(fd, data, size, -1);
}
ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  return operant::chaos::AnyPwrite(fd, data, size, offset);
}
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  return operant::chaos::AnyPwrite(fd, data, size, offset);
}
int ftruncate(int fd, off_t size) noexcept {
  return operant::chaos::AnyResize(fd, size);
}
int ftruncate64(int fd, off64_t size) noexcept {
  return operant::chaos::AnyResize(fd, size);
}
int posix_fallocate(int fd, off_t offset, off_t size) {
  return operant::chaos::AnyAllocate(fd, offset, size);
}
int posix_fallocate64(int fd, off64_t offset, off64_t size) {
  return operant::chaos::AnyAllocate(fd, offset, size);
}
int fsync(int fd) { return operant::chaos::AnySync(fd, SYS_fsync); }
int fdatasync(int fd) { return operant::chaos::AnySync(fd, SYS_fdatasync); }

int mkdir(const char* path, mode_t mode) noexcept {
  return operant::chaos::AnyMakeFolder(AT_FDCWD, path, mode);
}
int unlink(const char* path) noexcept {
  return operant::chaos::AnyRemove(AT_FDCWD, path, 0);
}
int unlinkat(int at, const char* path, int flags) noexcept {
  return operant::chaos::AnyRemove(at, path, flags);
}
int rmdir(const char* path) noexcept {
  return operant::chaos::AnyRemove(AT_FDCWD, path, AT_REMOVEDIR);
}
int remove(const char* path) noexcept {
  struct stat info;
  const bool folder =
      lstat(path, &info) == 0 && (info.st_mode & S_IFMT) == S_IFDIR;
  return operant::chaos::AnyRemove(AT_FDCWD, path, folder ? AT_REMOVEDIR : 0);
}
int rename(const char* from, const char* to) noexcept {
  if (!operant::chaos::g_recording) {
    return static_cast<int>(
        syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0u));
  }
  return operant::chaos::TheRecorder().Rename(from, to);
}

}  // extern "C"
