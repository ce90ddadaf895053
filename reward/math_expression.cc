#include "reward/math_expression.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace operant::reward {
namespace {

constexpr int kMaxDepth = 32;
constexpr size_t kMaxDigits = 200;  // of one number
constexpr long double kPi = 3.14159265358979323846264338327950288L;

using Number = std::optional<long double>;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// expression = term {(+|-) term}; term = power {(*|/|) power};
// power = [-] atom [^ power]; atom = number | ( expression ) | sqrt atom | pi.
// Each rule returns none at the first thing it does not know.
class Evaluator {
 public:
  explicit Evaluator(absl::string_view text) : text_(text) {}

  Number Evaluate() {
    const Number value = Expression();
    Skip();
    if (!value || at_ != text_.size() || std::isnan(*value)) return {};
    return value;
  }

 private:
  void Skip() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  char Peek() {
    Skip();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool Take(char c) {
    if (Peek() != c) return false;
    ++at_;
    return true;
  }
  bool TakeWord(absl::string_view word) {
    Skip();
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  Number Expression() {
    if (++depth_ > kMaxDepth) return {};
    Number sum = Term();
    while (sum) {
      const char sign = Peek();
      if (sign != '+' && sign != '-') break;
      ++at_;
      const Number term = Term();
      if (!term) return {};
      sum = sign == '+' ? *sum + *term : *sum - *term;
    }
    --depth_;
    return sum;
  }

  Number Term() {
    Number product = Power();
    while (product) {
      if (Take('*')) {
        product = Times(product, Power());
      } else if (Take('/')) {
        const Number divisor = Power();
        if (!divisor || *divisor == 0) return {};
        product = *product / *divisor;
      } else if (whole_ && Peek() == kFractionMark) {
        product = MixedNumber(*product);
      } else if (BeginsFactor(Peek())) {
        product = Times(product, Power());
      } else {
        break;
      }
    }
    return product;
  }

  static Number Times(const Number& a, const Number& b) {
    if (!a || !b) return {};
    return *a * *b;
  }

  // An implied product begins with anything but digits: "2 3" is no number.
  static bool BeginsFactor(char c) {
    return c == '(' || c == kFractionMark || c == 's' || c == 'p';
  }

  Number MixedNumber(long double whole) {
    const Number fraction = Power();
    if (!fraction) return {};
    if (*fraction <= 0 || *fraction >= 1) return whole * *fraction;
    return whole < 0 || std::signbit(whole) ? whole - *fraction
                                            : whole + *fraction;
  }

  Number Power() {
    whole_ = false;
    if (++depth_ > kMaxDepth) return {};
    if (Take('+')) return Up(Power());
    if (Take('-')) {
      const Number value = Power();
      if (!value) return {};
      return Up(-*value);
    }
    const Number base = Atom();
    if (!base || !Take('^')) return Up(base);
    whole_ = false;
    const Number exponent = Power();
    whole_ = false;
    if (!exponent) return {};
    return Up(std::pow(*base, *exponent));
  }
  Number Up(Number value) {
    --depth_;
    return value;
  }

  Number Atom() {
    Take(kFractionMark);
    if (Take('(')) {
      const Number inner = Expression();
      whole_ = false;
      if (!inner || !Take(')')) return {};
      return inner;
    }
    if (TakeWord("sqrt")) return Root();
    if (TakeWord("pi")) return kPi;
    if (TakeWord("inf")) return std::numeric_limits<long double>::infinity();
    return Literal();
  }

  Number Root() {
    const Number radicand = Atom();
    whole_ = false;
    if (!radicand || *radicand < 0) return {};
    return std::sqrt(*radicand);
  }

  // Digits with thousands separators; then none may follow without three.
  Number Literal() {
    std::string digits;
    fraction_after_ = 0;
    Skip();
    const size_t start = at_;
    while (at_ < text_.size() && digits.size() < kMaxDigits) {
      if (IsDigit(text_[at_])) {
        digits += text_[at_++];
      } else if (IsSeparator(start)) {
        ++at_;
      } else {
        break;
      }
    }
    whole_ = !digits.empty();
    if (at_ < text_.size() && text_[at_] == '.') {
      whole_ = false;
      digits += text_[at_++];
      while (at_ < text_.size() && IsDigit(text_[at_])) digits += text_[at_++];
    }
    if (digits.empty() || digits == ".") return {};
    AppendExponent(digits);
    if (whole_ && TakeSimpleFraction(digits)) whole_ = false;
    return std::strtold(digits.c_str(), nullptr) + fraction_after_;
  }

  // A comma or space before exactly three digits, after one to three (the
  // first group) or three.
  bool IsSeparator(size_t start) const {
    const char c = text_[at_];
    if ((c != ',' && c != ' ') || at_ + 3 >= text_.size()) return false;
    size_t before = 0;
    while (before < 4 && at_ > start + before &&
           IsDigit(text_[at_ - before - 1])) {
      ++before;
    }
    const size_t next = at_ + 4;
    const bool three = IsDigit(text_[at_ + 1]) && IsDigit(text_[at_ + 2]) &&
                       IsDigit(text_[at_ + 3]);
    const bool ends =
        next >= text_.size() || (!IsDigit(text_[next]) && text_[next] != '/');
    return before >= 1 && before <= 3 && three && ends;
  }

  void AppendExponent(std::string& digits) {
    if (at_ >= text_.size() || (text_[at_] != 'e' && text_[at_] != 'E')) return;
    size_t end = at_ + 1;
    if (end < text_.size() && (text_[end] == '-' || text_[end] == '+')) ++end;
    if (end >= text_.size() || !IsDigit(text_[end])) return;
    while (end < text_.size() && IsDigit(text_[end])) ++end;
    absl::StrAppend(&digits, text_.substr(at_, end - at_));
    whole_ = false;
    at_ = end;
  }

  // " 1/2" after a whole number: sets fraction_after_ to 0.5.
  bool TakeSimpleFraction(const std::string& digits) {
    if (digits.empty() || at_ >= text_.size() || text_[at_] != ' ') {
      return false;
    }
    const size_t start = at_;
    Skip();
    const long double above = TakeDigits();
    if (above >= 0 && at_ < text_.size() && text_[at_] == '/') {
      ++at_;
      const long double below = TakeDigits();
      if (below > above) {
        fraction_after_ = above / below;
        return true;
      }
    }
    at_ = start;
    return false;
  }
  long double TakeDigits() {
    const size_t start = at_;
    while (at_ < text_.size() && IsDigit(text_[at_])) ++at_;
    if (at_ == start || at_ - start > kMaxDigits) return -1;
    return std::strtold(std::string(text_.substr(start, at_ - start)).c_str(),
                        nullptr);
  }

  const absl::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
  bool whole_ = false;  // whether the last atom was a whole number in digits
  long double fraction_after_ = 0;  // of the mixed number just read
};

}  // namespace

std::optional<long double> EvaluateArithmetic(absl::string_view text) {
  return Evaluator(absl::StripAsciiWhitespace(text)).Evaluate();
}

}  // namespace operant::reward
