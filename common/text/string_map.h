// Hash maps keyed by strings that are asked with std::string_view. (Debian's
// Abseil has a string_view of its own, which its maps expect.)
#ifndef OPERANT_COMMON_TEXT_STRING_MAP_H_
#define OPERANT_COMMON_TEXT_STRING_MAP_H_

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

namespace operant {

struct StringViewHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};

template <typename Value>
using StringMap =
    absl::flat_hash_map<std::string, Value, StringViewHash, std::equal_to<>>;
// The caller keeps the keys' bytes alive.
template <typename Value>
using StringViewMap = absl::flat_hash_map<std::string_view, Value,
                                          StringViewHash, std::equal_to<>>;
using StringSet =
    absl::flat_hash_set<std::string, StringViewHash, std::equal_to<>>;

}  // namespace operant

#endif  // OPERANT_COMMON_TEXT_STRING_MAP_H_
