// The safetensors format: 8 bytes of header length (little-endian), a JSON
// header, then the tensors' bytes. Files come from outside, so the reader is
// strict and bounded; no byte is allocated before its bound is checked.
#ifndef OPERANT_COMMON_NN_SAFETENSORS_H_
#define OPERANT_COMMON_NN_SAFETENSORS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/sha256_stream.h"
#include "common/nn/weight_image.h"

namespace operant {

// Limits on what a file may claim.
inline constexpr uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;
inline constexpr size_t kMaxSafetensorsTensors = 65'536;
inline constexpr size_t kMaxSafetensorsRank = 8;
inline constexpr size_t kMaxSafetensorsName = 512;  // bytes

using SafetensorsMetadata = std::map<std::string, std::string>;

struct SafetensorsHeader {
  // By offset; offsets count from the first byte after the header, cover
  // [0, data bytes) without a hole or an overlap.
  std::vector<WeightTensor> tensors;
  SafetensorsMetadata metadata;
};

// Parses and checks the JSON header of a file whose data part has `data_bytes`
// bytes. DataLoss naming `file`, the tensor and the field for: anything but
// JSON that starts with '{', duplicate keys, unknown fields, sizes that are not
// plain non-negative integers, unknown dtype, a limit above, overflow, bytes
// that do not fit shape and dtype, holes, overlaps, trailing bytes. Dtypes
// other than F32, F16 and BF16 are DataLoss too.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(std::string_view json,
                                                         uint64_t data_bytes,
                                                         std::string_view file);

// An open file. Reads with pread, so that a file cut by someone else is an
// error and not a SIGBUS. Thread-safe once open.
class SafetensorsReader {
 public:
  // NotFound, DataLoss (see above), or as the system says.
  static absl::StatusOr<std::unique_ptr<SafetensorsReader>> Open(
      const std::string& path);
  ~SafetensorsReader();
  SafetensorsReader(const SafetensorsReader&) = delete;
  SafetensorsReader& operator=(const SafetensorsReader&) = delete;

  const std::vector<WeightTensor>& tensors() const { return header_.tensors; }
  const SafetensorsMetadata& metadata() const { return header_.metadata; }
  const std::string& path() const { return path_; }

  // Fills `out`, of tensor.bytes, with the tensor's bytes.
  absl::Status Read(const WeightTensor& tensor, std::span<std::byte> out) const;

 private:
  SafetensorsReader(std::string path, int fd)
      : path_(std::move(path)), fd_(fd) {}
  absl::Status ReadHeader();

  std::string path_;
  int fd_;
  uint64_t data_begin_ = 0;
  SafetensorsHeader header_;
};

// Streams a file to disk beside `path` and renames it into place on Commit, so
// that a reader or a crash never sees a part. Not thread-safe.
class SafetensorsWriter {
 public:
  // Writes the header. Names, types and shapes are taken from `tensors`, in
  // order; offsets and bytes are computed. `__metadata__` always says
  // {"format": "pt"}, without which loaders refuse the file.
  static absl::StatusOr<std::unique_ptr<SafetensorsWriter>> Create(
      const std::string& path, const std::vector<WeightTensor>& tensors,
      SafetensorsMetadata metadata = {});
  ~SafetensorsWriter();  // removes what was not committed
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;

  // The next bytes of the data part; tensors may be cut into any pieces.
  absl::Status Append(std::span<const std::byte> bytes);
  // fsync, rename, fsync of the folder. Internal if bytes are missing or too
  // many.
  absl::Status Commit();

 private:
  SafetensorsWriter(std::string path, int fd)
      : path_(std::move(path)), fd_(fd) {}
  absl::Status WriteAll(std::span<const std::byte> bytes);

  std::string path_;
  int fd_;
  uint64_t expected_bytes_ = 0;
  uint64_t appended_bytes_ = 0;
  uint64_t written_bytes_ = 0;  // with the header
  bool committed_ = false;
  // While the thread records what it writes (file_recorder.h), else null.
  std::unique_ptr<Sha256Stream> sha256_;
};

}  // namespace operant

#endif  // OPERANT_COMMON_NN_SAFETENSORS_H_
