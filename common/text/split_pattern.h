// The three regular expressions that byte-level BPE models split text with, as
// hand-written scanners: linear in the text, whatever the text.
#ifndef OPERANT_COMMON_TEXT_SPLIT_PATTERN_H_
#define OPERANT_COMMON_TEXT_SPLIT_PATTERN_H_

#include <cstddef>
#include <optional>
#include <string_view>

namespace operant {

enum class SplitPattern { kGpt2, kLlama3, kQwen2 };

// The pattern that is spelled exactly so in a tokenizer.json.
std::optional<SplitPattern> FindSplitPattern(std::string_view regex);

// The end of the match that begins at `begin`: every text is covered by
// matches without a gap. REQUIRES: begin < text.size().
size_t NextSplit(SplitPattern pattern, std::string_view text, size_t begin);

}  // namespace operant

#endif  // OPERANT_COMMON_TEXT_SPLIT_PATTERN_H_
