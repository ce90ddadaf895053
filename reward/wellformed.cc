#include "reward/wellformed.h"

#include <vector>

#include "reward/loop.h"
#include "reward/punctuation.h"
#include "reward/words.h"

namespace operant::reward {
namespace {

constexpr size_t kMinWords = 2;

// Without the last word, which the limit may have cut.
std::string_view WithoutLastWord(std::string_view text) {
  const size_t space = text.rfind(' ');
  return space == std::string_view::npos ? std::string_view()
                                         : text.substr(0, space);
}

std::string_view GarbageReason(std::string_view text, bool cut,
                               const Lexicon& lexicon) {
  if (cut) text = WithoutLastWord(text);
  const std::string_view fault = PunctuationFault(text, cut);
  if (!fault.empty()) return fault;
  for (std::string_view part : WordParts(text)) {
    if (!lexicon.Knows(part)) return "word outside the lexicon";
  }
  return {};
}

}  // namespace

Diagnosis Diagnose(std::string_view text, v1::FinishReason finish,
                   const Lexicon& lexicon) {
  if (text.starts_with(' ')) text.remove_prefix(1);
  const std::vector<std::string_view> words = Words(text);
  Diagnosis diagnosis;
  diagnosis.nonstop = finish == v1::FINISH_REASON_LENGTH;
  diagnosis.empty = words.size() < kMinWords;
  // Parts as well, or "a-a-a-a" would pass as one word.
  diagnosis.loop = HasLoop(words) || HasLoop(WordParts(text));
  diagnosis.garbage_reason = GarbageReason(text, diagnosis.nonstop, lexicon);
  diagnosis.garbage = !diagnosis.garbage_reason.empty();
  return diagnosis;
}

}  // namespace operant::reward
