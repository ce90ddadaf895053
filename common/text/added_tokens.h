// Added and special tokens: found in the text before it is cut into pieces.
#ifndef OPERANT_COMMON_TEXT_ADDED_TOKENS_H_
#define OPERANT_COMMON_TEXT_ADDED_TOKENS_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "common/text/string_map.h"

namespace operant {

// As in a tokenizer.json.
struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool special = false;      // left out when decoding
  bool single_word = false;  // matches only between word boundaries
  bool lstrip = false;       // takes the whitespace on its left along
  bool rstrip = false;       // ... on its right
  bool normalized = false;   // looked for in the normalized text
};

// Finds tokens, the longest at each place, from left to right. Immutable and
// thread-safe after creation. The time is linear in the text, times the length
// of the longest token.
class AddedTokenMatcher {
 public:
  // REQUIRES: no empty content.
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);
  AddedTokenMatcher(const AddedTokenMatcher&) = delete;
  AddedTokenMatcher& operator=(const AddedTokenMatcher&) = delete;

  // Calls, in order, `gap` for each non-empty text between tokens and `found`
  // with each token's id. With `plain_text` special tokens are text.
  void Find(std::string_view text, bool plain_text,
            absl::FunctionRef<void(std::string_view)> gap,
            absl::FunctionRef<void(int32_t)> found) const;

 private:
  // The longest token whose content begins at `pos`, or null.
  const AddedToken* LongestAt(std::string_view text, size_t pos) const;

  std::vector<AddedToken> tokens_;
  StringViewMap<size_t> by_content_;  // into tokens_
  // The lengths of the tokens that begin with each byte, longest first.
  std::array<std::vector<size_t>, 256> lengths_;
};

}  // namespace operant

#endif  // OPERANT_COMMON_TEXT_ADDED_TOKENS_H_
