#include "reward/regex_scorer.h"

#include <utility>

#include "common/base/status_macros.h"

namespace operant::reward {

absl::StatusOr<std::unique_ptr<Scorer>> RegexScorer::Create(
    const std::string& pattern) {
  if (pattern.empty()) {
    return absl::InvalidArgumentError(
        "regex scorer has no pattern: reward.pattern='', expected a PCRE2 "
        "pattern; set reward.pattern");
  }
  ASSIGN_OR_RETURN(auto compiled, Pattern::Compile(pattern, "reward.pattern"));
  return std::unique_ptr<Scorer>(new RegexScorer(std::move(compiled)));
}

RegexScorer::RegexScorer(std::unique_ptr<const Pattern> pattern)
    : pattern_(std::move(pattern)) {}

v1::GetInfoResponse RegexScorer::Describe() const {
  return TextRuleInfo("regex", {});
}

absl::Status RegexScorer::ScoreItem(const v1::ScoreItem& item,
                                    v1::ScoreResult& result) const {
  const absl::StatusOr<bool> found = pattern_->Finds(item.response());
  if (!found.ok()) return InResponseOf(item, found.status());
  result.set_score(*found ? 1 : 0);
  return absl::OkStatus();
}

}  // namespace operant::reward
