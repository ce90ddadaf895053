#include "common/base/file_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/failpoint.h"
#include "common/base/file_recorder.h"
#include "common/base/status_macros.h"

namespace operant {
namespace {

namespace fs = std::filesystem;

constexpr size_t kReadBytes = 1 << 16;
constexpr int kTemporaryNameTries = 100;

// A file descriptor that closes itself.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&&) = delete;
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  int Close() { return close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

absl::StatusOr<Fd> OpenForReading(const std::string& path) {
  // Non-blocking: opening a FIFO must not hang before it is refused.
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return ErrnoStatus(errno, "cannot open", path);
  struct stat info;
  if (fstat(fd.get(), &info) != 0) {
    return ErrnoStatus(errno, "cannot inspect", path);
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot read ", path, ": expected a regular file"));
  }
  return fd;
}

// Appends up to kReadBytes; returns how many, 0 at the end.
absl::StatusOr<size_t> ReadSome(const Fd& fd, const std::string& path,
                                std::string& out) {
  const size_t old_size = out.size();
  out.resize(old_size + kReadBytes);
  ssize_t got;
  do {
    got = read(fd.get(), out.data() + old_size, kReadBytes);
  } while (got < 0 && errno == EINTR);
  out.resize(old_size + std::max<ssize_t>(got, 0));
  if (got < 0) return ErrnoStatus(errno, "cannot read", path);
  return static_cast<size_t>(got);
}

absl::Status WriteAll(const Fd& fd, std::string_view bytes,
                      const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t put = write(fd.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return ErrnoStatus(errno, "cannot write", path);
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  return absl::OkStatus();
}

// A new file beside `path`; its name goes to `name`.
absl::StatusOr<Fd> CreateBeside(const std::string& path, std::string& name) {
  static std::atomic<uint64_t> counter{0};
  for (int i = 0; i < kTemporaryNameTries; ++i) {
    name = absl::StrCat(path, ".tmp.", getpid(), ".", counter++);
    Fd fd(open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (fd.get() >= 0) return fd;
    if (errno != EEXIST) return ErrnoStatus(errno, "cannot create", path);
  }
  return ErrnoStatus(EEXIST, "cannot create a temporary file beside", path);
}

absl::Status FromErrorCode(const std::error_code& error, std::string_view what,
                           const std::string& path) {
  if (!error) return absl::OkStatus();
  return ErrnoStatus(error.value(), what, path);
}

std::string FolderOf(const std::string& path) {
  const std::string folder = fs::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

// Splits a stream of bytes into lines.
class LineSplitter {
 public:
  LineSplitter(
      const std::string& path, uint64_t max_line_bytes,
      const std::function<absl::Status(int64_t, std::string_view)>& line)
      : path_(path), max_line_bytes_(max_line_bytes), line_(line) {}

  // Hands out the whole lines of `buffer` and leaves the rest in it.
  absl::Status TakeLines(std::string& buffer) {
    size_t begin = 0;
    for (size_t end = buffer.find('\n'); end != std::string::npos;
         end = buffer.find('\n', begin)) {
      RETURN_IF_ERROR(Emit({buffer.data() + begin, end - begin}));
      begin = end + 1;
    }
    buffer.erase(0, begin);
    return buffer.size() > max_line_bytes_ ? TooLong() : absl::OkStatus();
  }

  absl::Status TakeLast(std::string_view rest) {
    return rest.empty() ? absl::OkStatus() : Emit(rest);
  }

 private:
  absl::Status Emit(std::string_view text) {
    if (text.size() > max_line_bytes_) return TooLong();
    if (text.ends_with('\r')) text.remove_suffix(1);
    return line_(++number_, text);
  }

  absl::Status TooLong() const {
    return absl::InvalidArgumentError(
        absl::StrCat(path_, ":", number_ + 1, ": line too long, expected at ",
                     "most ", max_line_bytes_, " bytes"));
  }

  const std::string& path_;
  const uint64_t max_line_bytes_;
  const std::function<absl::Status(int64_t, std::string_view)>& line_;
  int64_t number_ = 0;
};

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path,
                                     uint64_t max_bytes) {
  ASSIGN_OR_RETURN(const Fd fd, OpenForReading(path));
  std::string contents;
  while (true) {
    ASSIGN_OR_RETURN(const size_t got, ReadSome(fd, path, contents));
    if (contents.size() > max_bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("cannot read ", path, ": file too large, expected at ",
                       "most ", max_bytes, " bytes"));
    }
    if (got == 0) return contents;
  }
}

absl::Status WriteFileAtomically(const std::string& path,
                                 std::string_view contents) {
  std::string temporary;
  RETURN_IF_ERROR(Failpoint("file.create"));
  ASSIGN_OR_RETURN(Fd fd, CreateBeside(path, temporary));
  absl::Cleanup remove = [&temporary] { unlink(temporary.c_str()); };
  RETURN_IF_ERROR(WriteAll(fd, contents, path));
  RETURN_IF_ERROR(Failpoint("file.fsync"));
  if (fsync(fd.get()) != 0 || fd.Close() != 0) {
    return ErrnoStatus(errno, "cannot write", path);
  }
  RETURN_IF_ERROR(Failpoint("file.rename"));
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    return ErrnoStatus(errno, "cannot replace", path);
  }
  std::move(remove).Cancel();
  if (FileRecorder* recorder = FileRecorder::Current())
    recorder->RecordWhole(path, contents);
  RETURN_IF_ERROR(Failpoint("file.renamed"));
  return FsyncDirectory(FolderOf(path));
}

absl::Status MakeDirectories(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  return FromErrorCode(error, "cannot make folder", path);
}

absl::Status FsyncDirectory(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return ErrnoStatus(errno, "cannot open folder", path);
  if (fsync(fd.get()) != 0) {
    return ErrnoStatus(errno, "cannot sync folder", path);
  }
  return absl::OkStatus();
}

bool FileExists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

absl::StatusOr<std::vector<std::string>> ListDirectory(
    const std::string& path) {
  std::error_code error;
  std::vector<std::string> names;
  fs::directory_iterator entry(path, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  RETURN_IF_ERROR(FromErrorCode(error, "cannot list", path));
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status RemoveTree(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  return FromErrorCode(error, "cannot remove", path);
}

std::string JoinPath(std::string_view folder, std::string_view name) {
  return (fs::path(folder) / name).string();
}

bool IsSafeName(std::string_view name) {
  if (name.empty() || name.size() > 128) return false;
  if (!absl::ascii_isalnum(name.front())) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
  });
}

absl::Status ForEachLine(
    const std::string& path, uint64_t max_line_bytes,
    const std::function<absl::Status(int64_t, std::string_view)>& line) {
  ASSIGN_OR_RETURN(const Fd fd, OpenForReading(path));
  LineSplitter splitter(path, max_line_bytes, line);
  std::string buffer;
  while (true) {
    ASSIGN_OR_RETURN(const size_t got, ReadSome(fd, path, buffer));
    if (got == 0) return splitter.TakeLast(buffer);
    RETURN_IF_ERROR(splitter.TakeLines(buffer));
  }
}

absl::Status ErrnoStatus(int error, std::string_view what,
                         std::string_view path) {
  return absl::ErrnoToStatus(
      error, absl::StrCat(std::string(what), " ", std::string(path)));
}

}  // namespace operant
