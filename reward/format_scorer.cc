#include "reward/format_scorer.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"

namespace operant::reward {
namespace {

bool AsksWords(const v1::FormatRule& rule) {
  return rule.min_words() > 0 || rule.max_words() > 0;
}

bool WordsHold(const v1::FormatRule& rule, absl::string_view text) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(text, absl::ByAnyChar(" \t\r\n\f\v"), absl::SkipEmpty());
  return words.size() >= rule.min_words() &&
         (rule.max_words() == 0 || words.size() <= rule.max_words());
}

// The one place of `what` in `text`; npos: it is missing or comes again.
size_t OnlyPlace(absl::string_view text, const std::string& what) {
  const size_t at = text.find(what);
  if (at == text.npos || text.find(what, at + 1) != text.npos) return text.npos;
  return at;
}

bool TagsHold(const v1::FormatRule& rule, absl::string_view text) {
  size_t from = 0;
  for (const std::string& tag : rule.tags()) {
    const size_t open = OnlyPlace(text, absl::StrCat("<", tag, ">"));
    const size_t close = OnlyPlace(text, absl::StrCat("</", tag, ">"));
    if (open == text.npos || close == text.npos) return false;
    if (open < from || close < open) return false;
    from = close;
  }
  return true;
}

absl::Status CheckTags(const v1::FormatRule& rule) {
  std::set<std::string> seen;
  for (int i = 0; i < rule.tags_size(); ++i) {
    const std::string& tag = rule.tags(i);
    const bool named = tag.find_first_of("<>/ ") == tag.npos && !tag.empty();
    if (named && seen.insert(tag).second) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "bad section: reward.format.tags[", i, "]='", tag,
        "', expected a name without angle brackets, used once; write think "
        "for <think>...</think>"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Scorer>> FormatScorer::Create(
    const v1::FormatRule& rule) {
  if (!AsksWords(rule) && rule.tags().empty() && rule.begin().empty() &&
      rule.end().empty()) {
    return absl::InvalidArgumentError(
        "format scorer has no rule: reward.format is empty, expected min_words,"
        " max_words, tags, begin or end; set one");
  }
  if (rule.max_words() > 0 && rule.min_words() > rule.max_words()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "no response can hold: reward.format.min_words=", rule.min_words(),
        ", expected at most reward.format.max_words=", rule.max_words(),
        "; change one of the two"));
  }
  RETURN_IF_ERROR(CheckTags(rule));
  return std::unique_ptr<Scorer>(new FormatScorer(rule));
}

v1::GetInfoResponse FormatScorer::Describe() const {
  v1::GetInfoResponse info = TextRuleInfo("format", {});
  if (AsksWords(rule_)) info.add_component_names("words");
  if (!rule_.tags().empty()) info.add_component_names("tags");
  if (!rule_.begin().empty()) info.add_component_names("begin");
  if (!rule_.end().empty()) info.add_component_names("end");
  return info;
}

absl::Status FormatScorer::ScoreItem(const v1::ScoreItem& item,
                                     v1::ScoreResult& result) const {
  const absl::string_view text = absl::StripAsciiWhitespace(item.response());
  auto& parts = *result.mutable_components();
  if (AsksWords(rule_)) parts["words"] = WordsHold(rule_, text);
  if (!rule_.tags().empty()) parts["tags"] = TagsHold(rule_, text);
  if (!rule_.begin().empty()) {
    parts["begin"] = absl::StartsWith(text, rule_.begin());
  }
  if (!rule_.end().empty()) parts["end"] = absl::EndsWith(text, rule_.end());
  double held = 0;
  for (const auto& part : parts) held += part.second;
  result.set_score(held / static_cast<double>(parts.size()));
  return absl::OkStatus();
}

}  // namespace operant::reward
