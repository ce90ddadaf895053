// UTF-8 and the character classes that pre-tokenizers split on.
#ifndef OPERANT_COMMON_TEXT_UNICODE_H_
#define OPERANT_COMMON_TEXT_UNICODE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace operant {

inline constexpr int32_t kInvalidScalar = -1;

// One step through UTF-8 text: a Unicode scalar value, or kInvalidScalar for
// the longest invalid part that decoders replace by one U+FFFD.
struct Scalar {
  int32_t value;
  uint32_t length;  // bytes, at least 1
};

// The scalar that begins at `pos`. REQUIRES: pos < text.size().
Scalar DecodeScalar(std::string_view text, size_t pos);
void AppendUtf8(int32_t scalar, std::string* out);
bool IsValidUtf8(std::string_view text);

// \p{L}, \p{N} and \s of Unicode 16, which partition text together with the
// rest. Invalid parts are kOther.
enum class CharClass : uint8_t { kLetter, kNumber, kSpace, kOther };
CharClass ClassOf(int32_t scalar);

// The class of the scalar at `pos`. REQUIRES: pos < text.size().
CharClass ClassAt(std::string_view text, size_t pos);
// The end of the run of `cls` that begins at `pos`, after at most
// `max_scalars`.
size_t EndOfRun(std::string_view text, size_t pos, CharClass cls,
                size_t max_scalars = std::string_view::npos);

// Rust's char::is_numeric (Nd, Nl, No of Unicode 17).
bool IsNumeric(int32_t scalar);
// \w of Rust's regex crate: what makes a word boundary of added tokens.
bool IsWordScalar(int32_t scalar);

}  // namespace operant

#endif  // OPERANT_COMMON_TEXT_UNICODE_H_
