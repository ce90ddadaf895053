// SHA-256 of bytes that come in pieces: of files, without holding them.
#ifndef OPERANT_COMMON_BASE_SHA256_STREAM_H_
#define OPERANT_COMMON_BASE_SHA256_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace operant {

class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(const Sha256Stream&) = delete;
  Sha256Stream& operator=(const Sha256Stream&) = delete;
  void Update(const void* data, size_t bytes);
  // 32 raw bytes. Call once.
  std::string Finish();

 private:
  void* context_;
};

struct FileDigest {
  std::string sha256;  // 32 raw bytes
  uint64_t bytes = 0;
};

// Of a file's contents, read piece by piece. Errors: as ReadFile.
absl::StatusOr<FileDigest> DigestOfFile(const std::string& path);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_SHA256_STREAM_H_
