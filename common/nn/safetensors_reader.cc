#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/nn/safetensors.h"

namespace operant {
namespace {

static_assert(std::endian::native == std::endian::little,
              "safetensors are little-endian and read without swapping");

constexpr uint64_t kLengthBytes = 8;

absl::Status ReadAt(int fd, uint64_t offset, std::span<std::byte> out,
                    const std::string& path) {
  while (!out.empty()) {
    const ssize_t got =
        pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "cannot read", path);
    if (got == 0) {
      return absl::DataLossError(
          absl::StrCat("safetensors file is cut short: file=", path,
                       " ends at ", offset, "; fetch or write the file again"));
    }
    out = out.subspan(static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> RegularFileSize(int fd, const std::string& path) {
  struct stat info;
  if (fstat(fd, &info) != 0) return ErrnoStatus(errno, "cannot stat", path);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot read ", path, ": not a regular file"));
  }
  return static_cast<uint64_t>(info.st_size);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SafetensorsReader>> SafetensorsReader::Open(
    const std::string& path) {
  // O_NONBLOCK: a named pipe is refused below instead of waited for.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return ErrnoStatus(errno, "cannot open", path);
  std::unique_ptr<SafetensorsReader> reader(new SafetensorsReader(path, fd));
  RETURN_IF_ERROR(reader->ReadHeader());
  return reader;
}

SafetensorsReader::~SafetensorsReader() { close(fd_); }

absl::Status SafetensorsReader::ReadHeader() {
  ASSIGN_OR_RETURN(const uint64_t file_bytes, RegularFileSize(fd_, path_));
  uint64_t header_bytes = 0;
  RETURN_IF_ERROR(ReadAt(
      fd_, 0, std::as_writable_bytes(std::span(&header_bytes, 1)), path_));
  const uint64_t limit =
      std::min(kMaxSafetensorsHeaderBytes, file_bytes - kLengthBytes);
  if (header_bytes > limit) {
    return absl::DataLossError(
        absl::StrCat("safetensors file is malformed: file=", path_,
                     " header length=", header_bytes, ", expected at most ",
                     limit, "; fetch or write the file again"));
  }
  std::string json(header_bytes, '\0');
  RETURN_IF_ERROR(ReadAt(fd_, kLengthBytes,
                         std::as_writable_bytes(std::span(json)), path_));
  data_begin_ = kLengthBytes + header_bytes;
  ASSIGN_OR_RETURN(
      header_, ParseSafetensorsHeader(json, file_bytes - data_begin_, path_));
  return absl::OkStatus();
}

absl::Status SafetensorsReader::Read(const WeightTensor& tensor,
                                     std::span<std::byte> out) const {
  if (out.size() != tensor.bytes) {
    return absl::InternalError(absl::StrCat(
        "cannot read tensor=", tensor.name, " of ", path_, ": buffer has ",
        out.size(), " bytes, expected ", tensor.bytes));
  }
  return ReadAt(fd_, data_begin_ + tensor.offset, out, path_);
}

}  // namespace operant
