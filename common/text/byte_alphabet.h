// The 256 printable characters that stand for bytes in byte-level vocabularies.
#ifndef OPERANT_COMMON_TEXT_BYTE_ALPHABET_H_
#define OPERANT_COMMON_TEXT_BYTE_ALPHABET_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace operant {

// The character for `byte`: itself where Latin-1 prints it, otherwise the next
// of U+0100, U+0101, ... in the order of the bytes.
int32_t ByteToScalar(uint8_t byte);

// Bytes as their characters, in UTF-8: " a" is "Ġa".
std::string BytesToAlphabet(std::string_view bytes);

// The bytes that `token` stands for; none if one of its characters is not of
// the alphabet.
std::optional<std::string> AlphabetToBytes(std::string_view token);

}  // namespace operant

#endif  // OPERANT_COMMON_TEXT_BYTE_ALPHABET_H_
