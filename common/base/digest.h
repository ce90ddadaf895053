// Digests: SHA-256 for identity, XXH3-128 for corruption on the way.
#ifndef OPERANT_COMMON_BASE_DIGEST_H_
#define OPERANT_COMMON_BASE_DIGEST_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace operant {

// 32 raw bytes.
std::string Sha256(std::string_view bytes);
// 16 raw bytes, big-endian (XXH128_canonicalFromHash).
std::string Xxh3(std::string_view bytes);
// Lower-case hexadecimal.
std::string Hex(std::string_view bytes);

// XXH3-128 of a sequence of pieces.
class Xxh3Stream {
 public:
  Xxh3Stream();
  ~Xxh3Stream();
  Xxh3Stream(const Xxh3Stream&) = delete;
  Xxh3Stream& operator=(const Xxh3Stream&) = delete;
  void Update(const void* data, size_t bytes);
  std::string Finish() const;  // 16 raw bytes

 private:
  void* state_;
};

// Identity of a trajectory: 32 hex digits of XXH3-128 over run id, prompt
// cursor and sample index (design: "Identity").
std::string TrajectoryId(std::string_view run_id, size_t prompt_cursor,
                         size_t sample_index);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_DIGEST_H_
