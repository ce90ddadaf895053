#include "common/text/split_pattern.h"

#include "common/text/unicode.h"

namespace operant {
namespace {

constexpr std::string_view kGpt2Regex =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr std::string_view kLongS = "\u017f";  // folds to "s"

bool IsNewline(char c) { return c == '\r' || c == '\n'; }

char ToLower(char c) { return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c; }

// Length of the ending (s t re ve m ll d) at the start of `text`, or 0.
size_t ContractionEnding(std::string_view text, bool ignore_case) {
  if (text.empty()) return 0;
  if (ignore_case && text.starts_with(kLongS)) return kLongS.size();
  const auto at = [&](size_t i) {
    if (i >= text.size()) return '\0';
    return ignore_case ? ToLower(text[i]) : text[i];
  };
  switch (at(0)) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return 1;
    case 'r':
    case 'v':
      return at(1) == 'e' ? 2 : 0;
    case 'l':
      return at(1) == 'l' ? 2 : 0;
    default:
      return 0;
  }
}

// The end of 's|'t|'re|'ve|'m|'ll|'d at `begin`, or `begin` without a match.
size_t EndOfContraction(std::string_view text, size_t begin, bool ignore_case) {
  if (text[begin] != '\'') return begin;
  const size_t ending = ContractionEnding(text.substr(begin + 1), ignore_case);
  return ending == 0 ? begin : begin + 1 + ending;
}

// \s+(?!\S)|\s+ : the last space of a run is left to the word after it.
size_t EndOfSpaces(std::string_view text, size_t begin) {
  const size_t end = EndOfRun(text, begin, CharClass::kSpace);
  if (end == text.size()) return end;
  size_t last = end - 1;
  while ((text[last] & 0xc0) == 0x80) --last;
  return last > begin ? last : end;
}

// \s*[\r\n]+|\s+(?!\S)|\s+
size_t EndOfSpacesOrLines(std::string_view text, size_t begin) {
  const size_t end = EndOfRun(text, begin, CharClass::kSpace);
  for (size_t i = end; i > begin; --i) {
    if (IsNewline(text[i - 1])) return i;
  }
  return EndOfSpaces(text, begin);
}

size_t NextGpt2(std::string_view text, size_t begin) {
  const size_t contraction = EndOfContraction(text, begin, false);
  if (contraction != begin) return contraction;
  //  ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+
  const size_t word = text[begin] == ' ' ? begin + 1 : begin;
  if (word < text.size()) {
    const CharClass cls = ClassAt(text, word);
    if (cls != CharClass::kSpace) return EndOfRun(text, word, cls);
  }
  return EndOfSpaces(text, begin);
}

//  ?[^\s\p{L}\p{N}]+[\r\n]* , or `begin` without a match.
size_t EndOfPunctuation(std::string_view text, size_t begin) {
  const size_t mark = text[begin] == ' ' ? begin + 1 : begin;
  size_t end = EndOfRun(text, mark, CharClass::kOther);
  if (end == mark) return begin;
  while (end < text.size() && IsNewline(text[end])) ++end;
  return end;
}

// [^\r\n\p{L}\p{N}]?\p{L}+ , or `begin` without a match.
size_t EndOfWord(std::string_view text, size_t begin) {
  const Scalar first = DecodeScalar(text, begin);
  const CharClass cls = ClassOf(first.value);
  size_t letters = begin;
  if (cls == CharClass::kNumber || IsNewline(text[begin])) return begin;
  if (cls != CharClass::kLetter) letters += first.length;
  const size_t end = EndOfRun(text, letters, CharClass::kLetter);
  return end == letters ? begin : end;
}

// Llama-3 and Qwen2 differ in the digits of a piece alone.
size_t NextLlama(std::string_view text, size_t begin, size_t max_digits) {
  size_t end = EndOfContraction(text, begin, true);
  if (end == begin) end = EndOfWord(text, begin);
  if (end == begin) end = EndOfRun(text, begin, CharClass::kNumber, max_digits);
  if (end == begin) end = EndOfPunctuation(text, begin);
  return end == begin ? EndOfSpacesOrLines(text, begin) : end;
}

}  // namespace

std::optional<SplitPattern> FindSplitPattern(std::string_view regex) {
  if (regex == kGpt2Regex) return SplitPattern::kGpt2;
  if (regex == kLlama3Regex) return SplitPattern::kLlama3;
  if (regex == kQwen2Regex) return SplitPattern::kQwen2;
  return std::nullopt;
}

size_t NextSplit(SplitPattern pattern, std::string_view text, size_t begin) {
  switch (pattern) {
    case SplitPattern::kGpt2:
      return NextGpt2(text, begin);
    case SplitPattern::kLlama3:
      return NextLlama(text, begin, 3);
    case SplitPattern::kQwen2:
      return NextLlama(text, begin, 1);
  }
  return text.size();
}

}  // namespace operant
