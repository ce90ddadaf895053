#include "common/text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <span>

#include "common/text/tokenizer.h"

namespace operant {
namespace {

struct Range {
  int32_t first;
  int32_t last;
};

// Letters and numbers that Unicode 15.1 and 16 added to 15, which is where
// utf8proc 2.8 stops.
constexpr Range kNewLetters[] = {
    {0x1c89, 0x1c8a},   {0xa7cb, 0xa7cd},   {0xa7da, 0xa7dc},
    {0x105c0, 0x105f3}, {0x10d4a, 0x10d65}, {0x10d6f, 0x10d85},
    {0x10ec2, 0x10ec4}, {0x11380, 0x11389}, {0x1138b, 0x1138b},
    {0x1138e, 0x1138e}, {0x11390, 0x113b5}, {0x113b7, 0x113b7},
    {0x113d1, 0x113d1}, {0x113d3, 0x113d3}, {0x11bc0, 0x11be0},
    {0x13460, 0x143fa}, {0x16100, 0x1611d}, {0x16d40, 0x16d6c},
    {0x18cff, 0x18cff}, {0x1e5d0, 0x1e5ed}, {0x1e5f0, 0x1e5f0},
    {0x2ebf0, 0x2ee5d}};
constexpr Range kNewNumbers[] = {{0x10d40, 0x10d49}, {0x116d0, 0x116e3},
                                 {0x11bf0, 0x11bf9}, {0x16130, 0x16139},
                                 {0x16d70, 0x16d79}, {0x1ccf0, 0x1ccf9},
                                 {0x1e5f1, 0x1e5fa}};
constexpr Range kNumbersOfUnicode17[] = {{0x11de0, 0x11de9},
                                         {0x16ff4, 0x16ff6}};

bool InRanges(std::span<const Range> sorted, int32_t scalar) {
  auto it = std::upper_bound(
      sorted.begin(), sorted.end(), scalar,
      [](int32_t value, const Range& range) { return value < range.first; });
  return it != sorted.begin() && scalar <= (it - 1)->last;
}

bool IsSpace(int32_t c) {
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
         c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

CharClass ComputeClass(int32_t scalar) {
  if (scalar < 0) return CharClass::kOther;
  if (IsSpace(scalar)) return CharClass::kSpace;
  switch (utf8proc_category(scalar)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return CharClass::kLetter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return CharClass::kNumber;
    case UTF8PROC_CATEGORY_CN:
      if (InRanges(kNewLetters, scalar)) return CharClass::kLetter;
      if (InRanges(kNewNumbers, scalar)) return CharClass::kNumber;
      return CharClass::kOther;
    default:
      return CharClass::kOther;
  }
}

const std::array<CharClass, 128>& AsciiClasses() {
  static const std::array<CharClass, 128> classes = [] {
    std::array<CharClass, 128> table;
    for (int32_t c = 0; c < 128; ++c) table[c] = ComputeClass(c);
    return table;
  }();
  return classes;
}

// Bounds of the second byte for each lead byte, and the bytes in all (Unicode
// standard, table 3-7); length 0: not a lead byte.
struct LeadByte {
  uint32_t length;
  uint8_t low;
  uint8_t high;
};

LeadByte Lead(uint8_t byte) {
  if (byte >= 0xc2 && byte <= 0xdf) return {2, 0x80, 0xbf};
  if (byte == 0xe0) return {3, 0xa0, 0xbf};
  if (byte == 0xed) return {3, 0x80, 0x9f};
  if (byte >= 0xe1 && byte <= 0xef) return {3, 0x80, 0xbf};
  if (byte == 0xf0) return {4, 0x90, 0xbf};
  if (byte >= 0xf1 && byte <= 0xf3) return {4, 0x80, 0xbf};
  if (byte == 0xf4) return {4, 0x80, 0x8f};
  return {0, 0, 0};
}

}  // namespace

Scalar DecodeScalar(std::string_view text, size_t pos) {
  const auto first = static_cast<uint8_t>(text[pos]);
  if (first < 0x80) return {first, 1};
  LeadByte lead = Lead(first);
  if (lead.length == 0) return {kInvalidScalar, 1};
  int32_t value = first & (0x7f >> lead.length);
  for (uint32_t i = 1; i < lead.length; ++i) {
    if (pos + i >= text.size()) return {kInvalidScalar, i};
    const auto byte = static_cast<uint8_t>(text[pos + i]);
    if (byte < lead.low || byte > lead.high) return {kInvalidScalar, i};
    value = value << 6 | (byte & 0x3f);
    lead.low = 0x80;
    lead.high = 0xbf;
  }
  return {value, lead.length};
}

void AppendUtf8(int32_t scalar, std::string* out) {
  utf8proc_uint8_t bytes[4];
  const utf8proc_ssize_t length = utf8proc_encode_char(scalar, bytes);
  out->append(reinterpret_cast<const char*>(bytes), length);
}

bool IsValidUtf8(std::string_view text) {
  for (size_t pos = 0; pos < text.size();) {
    const Scalar scalar = DecodeScalar(text, pos);
    if (scalar.value == kInvalidScalar) return false;
    pos += scalar.length;
  }
  return true;
}

CharClass ClassOf(int32_t scalar) {
  static const std::array<CharClass, 128>& ascii = AsciiClasses();
  if (scalar >= 0 && scalar < 128) return ascii[scalar];
  return ComputeClass(scalar);
}

CharClass ClassAt(std::string_view text, size_t pos) {
  return ClassOf(DecodeScalar(text, pos).value);
}

size_t EndOfRun(std::string_view text, size_t pos, CharClass cls,
                size_t max_scalars) {
  for (size_t count = 0; pos < text.size() && count < max_scalars; ++count) {
    const Scalar scalar = DecodeScalar(text, pos);
    if (ClassOf(scalar.value) != cls) break;
    pos += scalar.length;
  }
  return pos;
}

bool IsNumeric(int32_t scalar) {
  return ClassOf(scalar) == CharClass::kNumber ||
         InRanges(kNumbersOfUnicode17, scalar);
}

bool IsWordScalar(int32_t scalar) {
  if (scalar < 0) return false;
  if (ClassOf(scalar) == CharClass::kLetter) return true;
  // Join controls, and the circled letters that are Alphabetic symbols.
  if (scalar == 0x200c || scalar == 0x200d) return true;
  if (scalar >= 0x24b6 && scalar <= 0x24e9) return true;
  if (scalar >= 0x1f130 && scalar <= 0x1f189) {
    return scalar <= 0x1f149 || (scalar >= 0x1f150 && scalar <= 0x1f169) ||
           scalar >= 0x1f170;
  }
  switch (utf8proc_category(scalar)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      return false;
  }
}

std::string ToValidUtf8(std::string_view bytes, bool* lossy) {
  std::string out;
  out.reserve(bytes.size());
  bool replaced = false;
  for (size_t pos = 0; pos < bytes.size();) {
    const Scalar scalar = DecodeScalar(bytes, pos);
    if (scalar.value == kInvalidScalar) {
      out += "\xef\xbf\xbd";
      replaced = true;
    } else {
      out.append(bytes, pos, scalar.length);
    }
    pos += scalar.length;
  }
  if (lossy != nullptr) *lossy = replaced;
  return out;
}

}  // namespace operant
