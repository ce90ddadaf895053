#include "reward/punctuation.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "reward/words.h"

namespace operant::reward {
namespace {

constexpr char kEnd = '\0';  // stands before the first and after the last

constexpr std::string_view kAlphabetFault = "character outside the alphabet";
constexpr std::string_view kSpacingFault = "broken spacing";
constexpr std::string_view kPunctuationFault = "broken punctuation";
constexpr std::string_view kBracketFault = "unbalanced bracket";
constexpr std::string_view kQuoteFault = "unbalanced quote";

bool IsOneOf(char c, std::string_view set) {
  return set.find(c) != std::string_view::npos;
}

bool InAlphabet(char c) {
  return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == ' ' ||
         IsOneOf(c, kPunctuation);
}

bool IsWordChar(char c) { return absl::ascii_isalnum(c); }
bool IsLetter(char c) { return absl::ascii_isalpha(c); }
// A word, an abbreviation, a quotation or a bracket can end in these.
bool EndsWord(char c) { return IsWordChar(c) || IsOneOf(c, ".')"); }

// Walks over one text; each rule looks at most three characters around.
class Checker {
 public:
  Checker(std::string_view text, bool cut)
      : text_(text), after_end_(cut ? ' ' : kEnd), cut_(cut) {}

  std::string_view Fault() {
    for (char c : text_) {
      if (!InAlphabet(c)) return kAlphabetFault;
    }
    for (at_ = 0; at_ < text_.size(); ++at_) {
      const std::string_view fault = FaultHere();
      if (!fault.empty()) return fault;
    }
    if (cut_) return {};
    if (depth_ != 0) return kBracketFault;
    return quoting_ ? kQuoteFault : std::string_view();
  }

 private:
  // The character `offset` from the present one.
  char Near(int offset) const {
    const size_t i = at_ + static_cast<size_t>(offset);
    if (i < text_.size()) return text_[i];
    return offset < 0 ? kEnd : after_end_;  // -1 from 0 wraps round
  }
  char Before() const { return Near(-1); }
  char After() const { return Near(1); }
  bool StartsPiece() const {
    return Before() == kEnd || IsOneOf(Before(), " (");
  }

  std::string_view FaultHere() {
    switch (text_[at_]) {
      case ' ':
        return SpaceIsRight() ? std::string_view() : kSpacingFault;
      case '(':
      case ')':
        return BracketFault();
      case '\'':
      case '`':
        return QuoteFault();
      default:
        return MarkIsRight() ? std::string_view() : kPunctuationFault;
    }
  }

  bool SpaceIsRight() const {
    return Before() != kEnd && After() != kEnd &&
           (After() != ' ' || at_ + 1 == text_.size());
  }

  bool MarkIsRight() const {
    switch (text_[at_]) {
      case ',':
      case ';':
        return SeparatorIsRight();
      case '.':
        return StopIsRight();
      case '-':
        return HyphenIsRight();
      case '/':
        return IsWordChar(Before()) && IsWordChar(After());
      default:
        return true;  // a letter or a digit
    }
  }

  bool SeparatorIsRight() const {
    if (After() == ' ') return EndsWord(Before());
    return text_[at_] == ',' && absl::ascii_isdigit(Before()) &&
           absl::ascii_isdigit(After());
  }

  bool StopIsRight() const {
    if (StartsPiece()) return absl::ascii_isdigit(After());
    if (!IsWordChar(Before()) && Before() != ')') return false;
    if (IsLetter(After())) return IsAbbreviation();
    return After() == kEnd || IsOneOf(After(), " ,;)'-") ||
           (absl::ascii_isdigit(Before()) && absl::ascii_isdigit(After()));
  }

  // One letter on each side: "e.g", "u.s".
  bool IsAbbreviation() const {
    return IsLetter(Before()) && !IsWordChar(Near(-2)) && !IsWordChar(Near(2));
  }

  bool HyphenIsRight() const {
    if (After() == '-') return DashIsRight(Before(), Near(2));
    if (Before() == '-') return DashIsRight(Near(-2), After());
    if (!IsWordChar(Before()) && !IsOneOf(Before(), ".)")) return false;
    return IsWordChar(After()) || IsSuspended() || IsOpenRange();
  }

  static bool DashIsRight(char before, char after) {
    if (before == ' ') return after == ' ';
    return EndsWord(before) && IsWordChar(after);
  }

  // "short- or long-haired"
  bool IsSuspended() const {
    const std::string_view rest = text_.substr(at_ + 1);
    return rest.starts_with(" or ") || rest.starts_with(" and ") ||
           rest.starts_with(" to ");
  }

  // "(1946-)"
  bool IsOpenRange() const {
    return absl::ascii_isdigit(Before()) && After() == ')';
  }

  std::string_view BracketFault() {
    if (text_[at_] == '(') {
      ++depth_;
      const bool right =
          StartsPiece() && (IsWordChar(After()) || IsOneOf(After(), "'`(."));
      return right ? std::string_view() : kSpacingFault;
    }
    if (--depth_ < 0) return kBracketFault;
    const bool right = (EndsWord(Before()) || Before() == '-') &&
                       (After() == kEnd || IsOneOf(After(), " ,;.)'-"));
    return right ? std::string_view() : kSpacingFault;
  }

  std::string_view QuoteFault() {
    if (StartsPiece()) {
      if (quoting_ || !IsWordChar(After())) return kQuoteFault;
      quoting_ = true;
      return {};
    }
    if (text_[at_] == '`' || !EndsWord(Before())) return kQuoteFault;
    if (IsWordChar(After())) {
      return IsWordChar(Before()) ? std::string_view() : kQuoteFault;
    }
    if (quoting_) {
      quoting_ = false;
      return {};
    }
    return Before() == 's' ? std::string_view() : kQuoteFault;
  }

  const std::string_view text_;
  const char after_end_;
  const bool cut_;
  size_t at_ = 0;
  int64_t depth_ = 0;  // open brackets
  bool quoting_ = false;
};

bool CanEnd(std::string_view text) {
  return text.empty() || EndsWord(text.back());
}

}  // namespace

std::string_view PunctuationFault(std::string_view text, bool cut) {
  const std::string_view fault = Checker(text, cut).Fault();
  if (!fault.empty()) return fault;
  return cut || CanEnd(text) ? std::string_view() : kPunctuationFault;
}

}  // namespace operant::reward
