// Reads a tokenizer.json into the parts that a Tokenizer is made of.
#ifndef OPERANT_COMMON_TEXT_TOKENIZER_JSON_H_
#define OPERANT_COMMON_TEXT_TOKENIZER_JSON_H_

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/text/added_tokens.h"
#include "common/text/bpe_model.h"
#include "common/text/pre_tokenizer.h"

namespace operant {

// More tokens than any model has; bounds what a hostile file can make us
// allocate.
inline constexpr int32_t kMaxTokens = 1 << 22;

struct TokenizerParts {
  BpeSpec model;
  std::vector<AddedToken> added_tokens;
  PreTokenizer pre_tokenizer;
  bool nfc = false;  // the normalizer
};

// Errors: DataLoss (malformed, naming the field); Unimplemented (naming the
// component). Ids are within [0, kMaxTokens) and each has one token. The
// settings `truncation`, `padding` and `post_processor` concern what is put
// around a text, which we never do: they have no effect.
absl::StatusOr<TokenizerParts> ParseTokenizerJson(std::string_view json);

}  // namespace operant

#endif  // OPERANT_COMMON_TEXT_TOKENIZER_JSON_H_
