#include "reward/math_value.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "reward/math_expression.h"
#include "reward/math_markup.h"

namespace operant::reward {
namespace {

constexpr size_t kMaxAnswerBytes = 2000;  // longer ones are text
constexpr size_t kMaxParts = 64;
constexpr int kMaxDepth = 8;
constexpr double kExactTolerance = 1e-9;

MathValue Read(absl::string_view plain, int depth);

bool IsOpen(char c) { return c == '(' || c == '[' || c == kSetOpen; }
bool IsClose(char c) { return c == ')' || c == ']' || c == kSetClose; }

// The parts of `text` between `separator`s outside brackets.
std::vector<absl::string_view> SplitOutside(absl::string_view text,
                                            absl::string_view separator) {
  std::vector<absl::string_view> parts;
  int open = 0;
  size_t start = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    open += IsOpen(text[i]) - IsClose(text[i]);
    if (open != 0 || text.substr(i, separator.size()) != separator) continue;
    parts.push_back(text.substr(start, i - start));
    start = i + separator.size();
    i = start - 1;
  }
  parts.push_back(text.substr(start));
  return parts;
}

// Whether the bracket that opens `text` closes at its very end.
bool IsBracketed(absl::string_view text) {
  if (text.size() < 2 || !IsOpen(text.front()) || !IsClose(text.back())) {
    return false;
  }
  int open = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    open += IsOpen(text[i]) - IsClose(text[i]);
    if (open == 0) return i + 1 == text.size();
  }
  return false;
}

// Without blanks, mark-up's marks and parentheses around single characters.
std::string TextOf(absl::string_view plain) {
  std::string text;
  for (const char c : plain) {
    if (c == ' ' || c == kFractionMark) continue;
    text += absl::ascii_tolower(c);
    const size_t n = text.size();
    if (n >= 3 && c == ')' && text[n - 3] == '(' &&
        absl::ascii_isalnum(text[n - 2])) {
      text = absl::StrCat(text.substr(0, n - 3), std::string(1, text[n - 2]));
    }
  }
  return text;
}

// The digits of "1,234" without separators and leading zeros; "" if there is
// anything else.
std::string WholeDigits(absl::string_view text) {
  const bool negative = absl::ConsumePrefix(&text, "-");
  std::string digits;
  for (const char c : text) {
    if (absl::ascii_isdigit(c)) {
      digits += c;
    } else if (c != ',' && c != ' ') {
      return "";
    }
  }
  const size_t first = std::min(digits.find_first_not_of('0'), digits.size());
  digits.erase(0, first);
  if (digits.empty()) return "0";
  return negative ? "-" + digits : digits;
}

std::optional<MathValue> ReadNumber(absl::string_view text) {
  const std::optional<long double> number = EvaluateArithmetic(text);
  if (!number) return {};
  MathValue value;
  value.kind = MathValue::Kind::kNumber;
  value.number = *number;
  value.digits = WholeDigits(text);
  return value;
}

std::optional<MathValue> ReadPercentage(absl::string_view text) {
  for (const char* sign : {"%", "percent", "per cent"}) {
    absl::string_view figure = text;
    if (!absl::ConsumeSuffix(&figure, sign)) continue;
    std::optional<MathValue> value =
        ReadNumber(absl::StripAsciiWhitespace(figure));
    if (value) value->percent = true;
    return value;
  }
  return {};
}

// A number and the longest that is left in front of a unit.
std::optional<MathValue> ReadQuantity(absl::string_view text) {
  for (size_t i = text.size(); i-- > 1;) {
    if (!absl::ascii_isalpha(text[i]) || absl::ascii_isalpha(text[i - 1])) {
      continue;
    }
    std::optional<MathValue> value =
        ReadNumber(absl::StripAsciiWhitespace(text.substr(0, i)));
    if (!value) continue;
    const std::optional<MathUnit> unit =
        ReadMathUnit(text.substr(i), text[i - 1] == ' ');
    if (!unit) return {};
    value->unit = *unit;
    return value;
  }
  return {};
}

MathValue ReadParts(MathValue::Kind kind,
                    const std::vector<absl::string_view>& parts, int depth) {
  MathValue value;
  value.kind = kind;
  for (const absl::string_view part : parts) {
    value.parts.push_back(Read(part, depth + 1));
  }
  if (kind == MathValue::Kind::kSet && value.parts.size() == 1) {
    return MathValue(value.parts[0]);
  }
  return value;
}

// Both signs of what follows \pm, added to what stands before it.
std::optional<MathValue> ReadPlusMinus(absl::string_view text, int depth) {
  const size_t at = text.find(kPlusMinus);
  if (at == text.npos || text.find(kPlusMinus, at + 1) != text.npos) return {};
  MathValue value;
  value.kind = MathValue::Kind::kSet;
  for (const char* sign : {"+", "-"}) {
    const std::string one =
        absl::StrCat(text.substr(0, at), sign, text.substr(at + 1));
    value.parts.push_back(Read(one, depth + 1));
  }
  return value;
}

std::optional<MathValue> ReadBracketed(absl::string_view text, int depth) {
  if (!IsBracketed(text)) return {};
  const absl::string_view inner = text.substr(1, text.size() - 2);
  const std::vector<absl::string_view> parts = SplitOutside(inner, ",");
  if (parts.size() > kMaxParts) return {};
  if (text.front() == kSetOpen) {
    return ReadParts(MathValue::Kind::kSet, parts, depth);
  }
  if (parts.size() < 2) return {};
  MathValue value = ReadParts(MathValue::Kind::kTuple, parts, depth);
  value.open = text.front();
  value.close = text.back();
  return value;
}

// "1, 2", "1 or 2", "1, 2, and 3", "[0,1] U [2,3]". What was itself a list
// between separators of another kind is part of this one.
std::optional<MathValue> ReadList(absl::string_view text, int depth) {
  for (const char* separator :
       {" U ", ", and ", ", or ", " or ", " and ", ";", ","}) {
    const std::vector<absl::string_view> parts = SplitOutside(text, separator);
    if (parts.size() < 2 || parts.size() > kMaxParts) continue;
    const MathValue nested = ReadParts(MathValue::Kind::kSet, parts, depth);
    MathValue flat;
    flat.kind = MathValue::Kind::kSet;
    for (const MathValue& part : nested.parts) {
      if (part.kind == MathValue::Kind::kSet) {
        flat.parts.insert(flat.parts.end(), part.parts.begin(),
                          part.parts.end());
      } else {
        flat.parts.push_back(part);
      }
    }
    return flat;
  }
  return {};
}

// Without the variable in "x = 5", "f(x) = 5" or "x in [0, 1]".
absl::string_view WithoutVariable(absl::string_view text) {
  size_t sign = text.find('=');
  size_t after = sign + 1;
  if (sign == text.npos) {
    sign = text.find(" in ");
    after = sign + 4;
  }
  if (sign == text.npos || text.find('=', after) != text.npos) return text;
  const absl::string_view name =
      absl::StripAsciiWhitespace(text.substr(0, sign));
  const bool variable = !name.empty() && name.size() <= 4 &&
                        absl::ascii_isalpha(name[0]) &&
                        (name.size() == 1 || name[1] == '(' || name[1] == '_');
  return variable ? absl::StripAsciiWhitespace(text.substr(after)) : text;
}

MathValue Read(absl::string_view plain, int depth) {
  const absl::string_view text =
      WithoutVariable(absl::StripAsciiWhitespace(plain));
  if (depth <= kMaxDepth && text.size() <= kMaxAnswerBytes) {
    std::optional<MathValue> value = ReadBracketed(text, depth);
    if (!value) value = ReadNumber(text);
    if (!value) value = ReadPercentage(text);
    if (!value) value = ReadPlusMinus(text, depth);
    if (!value) value = ReadQuantity(text);
    if (!value) value = ReadList(text, depth);
    if (value) return *std::move(value);
  }
  MathValue value;
  value.text = TextOf(text);
  return value;
}

bool NearNumbers(long double a, long double b, double tolerance) {
  if (a == b) return true;  // infinities too
  return std::isfinite(a) && std::isfinite(b) &&
         std::fabs(a - b) <= tolerance * std::max(std::fabs(a), std::fabs(b));
}

bool AllIn(const MathUnit& a, const MathUnit& b) {
  return std::all_of(a.bases.begin(), a.bases.end(), [&](const auto& base) {
    const auto other = b.bases.find(base.first);
    return other != b.bases.end() && other->second == base.second;
  });
}

bool SameNumber(const MathValue& a, const MathValue& b, double tolerance) {
  if (a.unit.empty() || b.unit.empty()) {
    if (a.percent != b.percent &&
        NearNumbers(a.percent ? a.number / 100 : a.number,
                    b.percent ? b.number / 100 : b.number, tolerance)) {
      return true;
    }
    if (!a.digits.empty() && !b.digits.empty() &&
        tolerance <= kExactTolerance) {
      return a.digits == b.digits;
    }
    return NearNumbers(a.number, b.number, tolerance);
  }
  // "5 apples" and "5 apples in total" agree.
  if (!AllIn(a.unit, b.unit) && !AllIn(b.unit, a.unit)) return false;
  return NearNumbers(a.number * a.unit.factor, b.number * b.unit.factor,
                     tolerance);
}

bool SameTuple(const MathValue& a, const MathValue& b, double tolerance) {
  if (a.open != b.open || a.close != b.close) return false;
  return std::equal(a.parts.begin(), a.parts.end(), b.parts.begin(),
                    b.parts.end(), [&](const MathValue& x, const MathValue& y) {
                      return SameMathValue(x, y, tolerance);
                    });
}

bool Contains(const MathValue& set, const MathValue& part, double tolerance) {
  return std::any_of(set.parts.begin(), set.parts.end(), [&](const auto& p) {
    return SameMathValue(p, part, tolerance);
  });
}

bool IsSubset(const MathValue& a, const MathValue& b, double tolerance) {
  return std::all_of(a.parts.begin(), a.parts.end(), [&](const auto& part) {
    return Contains(b, part, tolerance);
  });
}

}  // namespace

MathValue ReadMathValue(absl::string_view answer) {
  if (answer.size() > kMaxAnswerBytes) {
    MathValue value;
    value.text = TextOf(answer);
    return value;
  }
  return Read(PlainMath(answer), 0);
}

bool SameMathValue(const MathValue& a, const MathValue& b, double tolerance) {
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case MathValue::Kind::kNumber:
      return SameNumber(a, b, tolerance);
    case MathValue::Kind::kTuple:
      return SameTuple(a, b, tolerance);
    case MathValue::Kind::kSet:
      return IsSubset(a, b, tolerance) && IsSubset(b, a, tolerance);
    case MathValue::Kind::kText:
      return !a.text.empty() && a.text == b.text;
  }
  return false;
}

}  // namespace operant::reward
