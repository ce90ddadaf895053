#include "common/text/nfc.h"

#include <utf8proc.h>

#include <algorithm>
#include <vector>

#include "common/text/unicode.h"

namespace operant {
namespace {

constexpr auto kOptions =
    static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
constexpr int kMaxDecomposition = 8;  // Unicode 15's longest is 4

struct Range {
  int32_t first;
  int32_t last;
};

// Combining marks that Unicode 10 to 15 added, and the one starter (Dives
// Akuru) that they gave a composition.
constexpr Range kYoungerMarks[] = {
    {0x7fd, 0x7fd},     {0x898, 0x89f},     {0x8ca, 0x8d3},
    {0x9fe, 0x9fe},     {0xc3c, 0xc3c},     {0xd3b, 0xd3c},
    {0xeba, 0xeba},     {0x1715, 0x1715},   {0x1abf, 0x1ace},
    {0x1df6, 0x1dfa},   {0xa82c, 0xa82c},   {0x10d24, 0x10d27},
    {0x10eab, 0x10eac}, {0x10efd, 0x10eff}, {0x10f46, 0x10f50},
    {0x10f82, 0x10f85}, {0x11070, 0x11070}, {0x1133b, 0x1133b},
    {0x1145e, 0x1145e}, {0x11839, 0x1183a}, {0x11930, 0x11930},
    {0x11938, 0x11938}, {0x1193d, 0x1193e}, {0x11943, 0x11943},
    {0x119e0, 0x119e0}, {0x11a34, 0x11a34}, {0x11a47, 0x11a47},
    {0x11a99, 0x11a99}, {0x11d42, 0x11d42}, {0x11d44, 0x11d45},
    {0x11d97, 0x11d97}, {0x11f41, 0x11f42}, {0x16ff0, 0x16ff1},
    {0x1e08f, 0x1e08f}, {0x1e130, 0x1e136}, {0x1e2ae, 0x1e2ae},
    {0x1e2ec, 0x1e2ef}, {0x1e4ec, 0x1e4ef}};

bool IsYoungerMark(int32_t scalar) {
  auto it = std::upper_bound(
      std::begin(kYoungerMarks), std::end(kYoungerMarks), scalar,
      [](int32_t value, const Range& range) { return value < range.first; });
  return it != std::begin(kYoungerMarks) && scalar <= (it - 1)->last;
}

int CombiningClass(int32_t scalar) {
  return utf8proc_get_property(scalar)->combining_class;
}

// Text below U+0300 is in NFC as it is; U+0300 begins with the byte 0xcc.
bool IsSurelyNfc(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<uint8_t>(c) >= 0xcc; });
}

void AppendDecomposition(int32_t scalar, std::vector<int32_t>* out) {
  utf8proc_int32_t parts[kMaxDecomposition];
  int boundary = 0;
  const utf8proc_ssize_t count = utf8proc_decompose_char(
      scalar, parts, kMaxDecomposition, kOptions, &boundary);
  out->insert(out->end(), parts, parts + count);
}

// Canonical order: each run of marks sorted by combining class. utf8proc has
// its own, which takes quadratic time.
void SortMarks(std::vector<int32_t>* scalars) {
  const auto is_mark = [](int32_t c) { return CombiningClass(c) != 0; };
  for (auto begin = scalars->begin(); begin != scalars->end();) {
    begin = std::find_if(begin, scalars->end(), is_mark);
    const auto end = std::find_if_not(begin, scalars->end(), is_mark);
    std::stable_sort(begin, end, [](int32_t a, int32_t b) {
      return CombiningClass(a) < CombiningClass(b);
    });
    begin = end;
  }
}

// Composes the decomposed `scalars` onto `out` and empties them.
void Flush(std::vector<int32_t>* scalars, std::string* out) {
  SortMarks(scalars);
  const utf8proc_ssize_t count = utf8proc_normalize_utf32(
      scalars->data(), static_cast<utf8proc_ssize_t>(scalars->size()),
      kOptions);
  for (utf8proc_ssize_t i = 0; i < count; ++i) {
    AppendUtf8((*scalars)[i], out);
  }
  scalars->clear();
}

}  // namespace

std::string NormalizeNfc(std::string_view text) {
  if (IsSurelyNfc(text)) return std::string(text);
  std::string out;
  out.reserve(text.size());
  std::vector<int32_t> scalars;
  for (size_t pos = 0; pos < text.size();) {
    const Scalar scalar = DecodeScalar(text, pos);
    if (scalar.value == kInvalidScalar || IsYoungerMark(scalar.value)) {
      Flush(&scalars, &out);
      out.append(text, pos, scalar.length);
    } else {
      AppendDecomposition(scalar.value, &scalars);
    }
    pos += scalar.length;
  }
  Flush(&scalars, &out);
  return out;
}

}  // namespace operant
