#include "reward/math_markup.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "reward/math_expression.h"

namespace operant::reward {
namespace {

constexpr int kMaxDepth = 16;

using Replacement = std::pair<absl::string_view, absl::string_view>;

// Signs that need no argument. The longest match wins.
std::string ReplaceSigns(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"\\left", ""},
                                    {"\\right", ""},
                                    {"\\bigl", ""},
                                    {"\\bigr", ""},
                                    {"\\Big", ""},
                                    {"\\big", ""},
                                    {"\\displaystyle", ""},
                                    {"\\!", ""},
                                    {"{,}", ","},
                                    {"\\,", " "},
                                    {"\\;", " "},
                                    {"\\:", " "},
                                    {"\\ ", " "},
                                    {"\\quad", " "},
                                    {"\\qquad", " "},
                                    {"~", " "},
                                    {"\\(", ""},
                                    {"\\)", ""},
                                    {"\\[", ""},
                                    {"\\]", ""},
                                    {"\\cdot", "*"},
                                    {"\\times", "*"},
                                    {"\\ast", "*"},
                                    {"\u00d7", "*"},
                                    {"\u00b7", "*"},
                                    {"\\div", "/"},
                                    {"\u00f7", "/"},
                                    {"\\pm", "\x02"},
                                    {"\u00b1", "\x02"},
                                    {"\\pi", "pi"},
                                    {"\u03c0", "pi"},
                                    {"\\infty", "inf"},
                                    {"\u221e", "inf"},
                                    {"infinity", "inf"},
                                    {"\u2212", "-"},
                                    {"\u2013", "-"},
                                    {"\\%", "%"},
                                    {"^{\\circ}", " degree"},
                                    {"^\\circ", " degree"},
                                    {"\\circ", " degree"},
                                    {"\\degree", " degree"},
                                    {"\u00b0", " degree"},
                                    {"\\cup", " U "},
                                    {"\u222a", " U "},
                                    {"\\{", "\x03"},
                                    {"\\}", "\x04"},
                                    {"\\lbrace", "\x03"},
                                    {"\\rbrace", "\x04"},
                                    {"\\in", " in "},
                                    {"\u2208", " in "},
                                    {"\u00b2", "^2"},
                                    {"\u00b3", "^3"},
                                    {"\u221a", "sqrt"},
                                    {"\u00bd", "\x01(1/2)"},
                                    {"\u00bc", "\x01(1/4)"},
                                    {"\u00be", "\x01(3/4)"},
                                    {"\u00a0", " "},
                                    {"\u202f", " "},
                                    {"\u2009", " "},
                                    {"**", "^"},
                                    {"\n", " "},
                                    {"\t", " "}});
}

// A currency sign before the number becomes a unit behind it.
std::string MoveCurrency(std::string text) {
  const int dollars =
      static_cast<int>(std::count(text.begin(), text.end(), '$'));
  const bool escaped = absl::StrContains(text, "\\$");
  const bool euro = absl::StrContains(text, "\u20ac");
  const bool delimited = dollars % 2 == 0 && !escaped;
  text = absl::StrReplaceAll(text, {{"\\$", ""}, {"$", ""}, {"\u20ac", ""}});
  if (euro) return text + " euro";
  if (dollars == 0 || delimited || absl::StrContains(text, "dollar"))
    return text;
  return text + " dollar";
}

// Rewrites commands with arguments, and grouping braces.
class Rewriter {
 public:
  explicit Rewriter(int depth) : depth_(depth) {}

  std::string Rewrite(absl::string_view text) {
    text_ = text;
    std::string out;
    while (at_ < text_.size()) {
      if (text_[at_] == '\\') {
        Command(out);
      } else {
        out += text_[at_] == '{' ? '(' : text_[at_] == '}' ? ')' : text_[at_];
        ++at_;
      }
    }
    return out;
  }

 private:
  void Command(std::string& out) {
    size_t end = at_ + 1;
    while (end < text_.size() && absl::ascii_isalpha(text_[end])) ++end;
    const absl::string_view name = text_.substr(at_ + 1, end - at_ - 1);
    if (name == "frac" || name == "dfrac" || name == "tfrac" ||
        name == "cfrac") {
      at_ = end;
      const std::string above = Argument();
      const std::string below = Argument();
      absl::StrAppend(&out, std::string(1, kFractionMark), "((", above, ")/(",
                      below, "))");
    } else if (name == "sqrt") {
      at_ = end;
      const std::string degree = Optional();
      const std::string inner = Argument();
      if (degree.empty()) {
        absl::StrAppend(&out, "sqrt(", inner, ")");
      } else {
        absl::StrAppend(&out, "((", inner, ")^(1/(", degree, ")))");
      }
    } else if (name == "boxed" || name == "fbox") {
      at_ = end;
      out += Argument();
    } else if (absl::StartsWith(name, "text") || name == "mathrm" ||
               name == "mathbf" || name == "mbox" || name == "operatorname") {
      at_ = end;
      absl::StrAppend(&out, " ", Argument(), " ");
    } else {
      absl::StrAppend(&out, "\\", name);
      at_ = std::max(end, at_ + 1);
    }
  }

  // The next group in braces, command or character, rewritten.
  std::string Argument() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    if (at_ >= text_.size() || depth_ >= kMaxDepth) return "";
    if (text_[at_] == '{') {
      const size_t start = at_;
      const absl::string_view group = BracedGroup(text_, at_);
      if (at_ == start) ++at_;  // never closed: goes on without it
      return Rewriter(depth_ + 1).Rewrite(group);
    }
    if (text_[at_] == '\\') {
      std::string out;
      Command(out);
      return out;
    }
    return std::string(1, text_[at_++]);
  }

  std::string Optional() {
    if (at_ >= text_.size() || text_[at_] != '[') return "";
    const size_t end = text_.find(']', at_);
    if (end == text_.npos) return "";
    const absl::string_view inner = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return std::string(inner);
  }

  const int depth_;
  absl::string_view text_;
  size_t at_ = 0;
};

// "{1, 2}" typed without backslashes is a set too.
std::string MarkPlainSet(std::string text) {
  if (absl::StartsWith(text, "{") && absl::EndsWith(text, "}")) {
    size_t at = 0;
    if (BracedGroup(text, at).size() == text.size() - 2) {
      text.front() = kSetOpen;
      text.back() = kSetClose;
    }
  }
  return text;
}

}  // namespace

absl::string_view BracedGroup(absl::string_view text, size_t& at) {
  int open = 0;
  for (size_t i = at; i < text.size(); ++i) {
    if (text[i] == '{') ++open;
    if (text[i] == '}' && --open == 0) {
      const absl::string_view group = text.substr(at + 1, i - at - 1);
      at = i + 1;
      return group;
    }
  }
  return "";
}

std::string PlainMath(absl::string_view answer) {
  std::string text = MoveCurrency(std::string(answer));
  text = ReplaceSigns(absl::StripAsciiWhitespace(text));
  text = MarkPlainSet(std::string(absl::StripAsciiWhitespace(text)));
  text = absl::StrReplaceAll(Rewriter(0).Rewrite(text), {{" ^", "^"}});
  absl::string_view plain = absl::StripAsciiWhitespace(text);
  while (absl::ConsumeSuffix(&plain, ".") || absl::ConsumeSuffix(&plain, ",")) {
    plain = absl::StripAsciiWhitespace(plain);
  }
  return std::string(plain);
}

}  // namespace operant::reward
