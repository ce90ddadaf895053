#include "reward/math_answer.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "reward/math_markup.h"

namespace operant::reward {
namespace {

constexpr absl::string_view kCues[] = {"answer is", "answer:", "####"};

// A sentence ends at a line's end, or at a full stop before a blank.
absl::string_view FirstSentence(absl::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') return text.substr(0, i);
    if (text[i] == '.' && i + 1 < text.size() && text[i + 1] == ' ') {
      return text.substr(0, i);
    }
  }
  return text;
}

std::optional<std::string> LastBoxed(absl::string_view text) {
  const absl::string_view kBoxed = "\\boxed{";
  const size_t at = text.rfind(kBoxed);
  if (at == text.npos) return {};
  size_t brace = at + kBoxed.size() - 1;
  const absl::string_view group = BracedGroup(text, brace);
  if (brace == at + kBoxed.size() - 1) return {};  // never closed
  return std::string(group);
}

std::optional<std::string> AfterCue(absl::string_view text) {
  const std::string lower = absl::AsciiStrToLower(text);
  size_t after = 0;
  for (const absl::string_view cue : kCues) {
    const size_t at = lower.rfind(std::string(cue));
    if (at != lower.npos) after = std::max(after, at + cue.size());
  }
  if (after == 0) return {};
  absl::string_view rest =
      absl::StripLeadingAsciiWhitespace(absl::string_view(text).substr(after));
  absl::ConsumePrefix(&rest, ":");
  const absl::string_view said =
      FirstSentence(absl::StripLeadingAsciiWhitespace(rest));
  if (absl::StripAsciiWhitespace(said).empty()) return {};
  return std::string(said);
}

bool IsPart(absl::string_view text, size_t i) {
  const char c = text[i];
  if (absl::ascii_isdigit(c)) return true;
  const bool inside =
      i > 0 && i + 1 < text.size() && absl::ascii_isdigit(text[i + 1]);
  if (c == '.') return i + 1 < text.size() && absl::ascii_isdigit(text[i + 1]);
  return (c == ',' || c == '/') && inside && absl::ascii_isdigit(text[i - 1]);
}

// The number whose digits begin at `start`, and where it ends.
std::string NumberAt(absl::string_view text, size_t start, size_t& end) {
  end = start;
  while (end < text.size() && IsPart(text, end)) ++end;
  size_t begin = start;
  if (begin > 0 && text[begin - 1] == '-' &&
      (begin == 1 || !absl::ascii_isalnum(text[begin - 2]))) {
    --begin;
  }
  std::string number(text.substr(begin, end - begin));
  if (end < text.size() && text[end] == '%') number += '%';
  return number;
}

}  // namespace

std::optional<std::string> FirstNumber(absl::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (!IsPart(text, i)) continue;
    size_t end = 0;
    std::string number = NumberAt(text, i, end);
    const bool alone = end >= text.size() || !absl::ascii_isalpha(text[end]);
    if (alone && (i == 0 || !absl::ascii_isalpha(text[i - 1]))) return number;
    i = end;
  }
  return {};
}

std::optional<std::string> FindMathAnswer(absl::string_view response) {
  if (auto boxed = LastBoxed(response)) return boxed;
  if (auto said = AfterCue(response)) return said;
  std::optional<std::string> last;
  for (size_t i = 0; i < response.size(); ++i) {
    if (!IsPart(response, i)) continue;
    size_t end = 0;
    last = NumberAt(response, i, end);
    i = end;
  }
  return last;
}

}  // namespace operant::reward
