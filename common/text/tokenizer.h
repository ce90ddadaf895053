// Byte-level BPE tokenizers as Hugging Face's tokenizer.json describes them.
#ifndef OPERANT_COMMON_TEXT_TOKENIZER_H_
#define OPERANT_COMMON_TEXT_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace operant {

// Immutable and thread-safe after creation.
class Tokenizer {
 public:
  // Reads a tokenizer.json (or the folder that holds one). Byte-level BPE
  // only: merges as strings or pairs, added and special tokens; pre-tokenizers
  // ByteLevel, Digits, Split with the GPT-2, Llama-3 and Qwen patterns, and
  // sequences of them. Errors: NotFound; DataLoss (malformed, naming the
  // field); Unimplemented (naming the component that is not supported).
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(
      const std::string& path);
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Parse(
      std::string_view tokenizer_json);
  virtual ~Tokenizer() = default;

  // Ids of `text` alone: nothing is added before or after. Added tokens that
  // appear in the text become their ids, as `tokenizers` does, unless
  // `plain_text`, where text never becomes a special token.
  virtual std::vector<int32_t> Encode(std::string_view text,
                                      bool plain_text = false) const = 0;
  // The bytes of `ids`; special tokens are left out if `skip_special`. May be
  // invalid UTF-8 (see ToValidUtf8). Ids outside the vocabulary are skipped.
  virtual std::string Decode(std::span<const int32_t> ids,
                             bool skip_special = true) const = 0;

  virtual int32_t vocab_size() const = 0;  // added tokens included
  // Id of a token's literal text, or -1.
  virtual int32_t TokenToId(std::string_view token) const = 0;
  virtual bool IsSpecial(int32_t id) const = 0;
  // SHA-256 (hex) of the tokenizer.json it was made from.
  virtual const std::string& digest() const = 0;
  // The tokenizer.json, byte for byte as read or trained.
  virtual const std::string& json() const = 0;
};

// Replaces every maximal invalid part by U+FFFD (as Python's
// errors="replace"); `lossy` says whether there was one.
std::string ToValidUtf8(std::string_view bytes, bool* lossy = nullptr);

}  // namespace operant

#endif  // OPERANT_COMMON_TEXT_TOKENIZER_H_
