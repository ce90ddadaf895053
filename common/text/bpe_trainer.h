// Trains a byte-level BPE vocabulary (Sennrich, Haddow, Birch 2016, over
// bytes).
#ifndef OPERANT_COMMON_TEXT_BPE_TRAINER_H_
#define OPERANT_COMMON_TEXT_BPE_TRAINER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace operant {

struct BpeTrainerOptions {
  // Size wanted, special tokens and the 256 bytes included.
  int32_t vocab_size = 2048;
  int64_t min_frequency = 2;
  // So many of the most frequent written pieces are tokens of their own,
  // without the merges that would lead to them and the tokens on the way (the
  // tokenizer.json then says ignore_merges, as Llama 3's does); merges are
  // learned from the other pieces. Fewer where fewer pieces come min_frequency
  // times.
  int32_t whole_words = 0;
  // Get the first ids, in this order.
  std::vector<std::string> special_tokens;
};

struct BpeTexts {
  std::vector<std::string> written;  // what the model is to write
  std::vector<std::string> read;     // what it only reads; may be empty
};

// Both are counted for merges, `written` for whole words; equal texts give an
// equal tokenizer (ties broken by the pair's ids). Returns the tokenizer.json:
// ByteLevel pre-tokenizer with the GPT-2 pattern, no prefix space, ByteLevel
// decoder. Ids: special tokens, bytes in the order of their characters, whole
// words, merges. Fewer than vocab_size where no pair is left that comes
// min_frequency times; no merge spells a special token. InvalidArgument if
// vocab_size is below 256 plus the special tokens and the whole words, or a
// special token is empty, repeated or the character of a byte.
absl::StatusOr<std::string> TrainBpe(const BpeTrainerOptions& options,
                                     const BpeTexts& texts);

struct TokenizerConfig {
  std::string eos_token;
  std::string pad_token;
  int64_t model_max_length = 0;  // positions of the model
};

// The tokenizer_config.json beside a trained tokenizer.json, for transformers'
// AutoTokenizer (PreTrainedTokenizerFast).
std::string TokenizerConfigJson(const TokenizerConfig& config);

}  // namespace operant

#endif  // OPERANT_COMMON_TEXT_BPE_TRAINER_H_
