#include "reward/exact_scorer.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "common/base/status_macros.h"

namespace operant::reward {

absl::StatusOr<std::unique_ptr<Scorer>> ExactScorer::Create(
    const v1::AnswerRule& rule) {
  std::unique_ptr<const Pattern> pattern;
  if (!rule.pattern().empty()) {
    ASSIGN_OR_RETURN(pattern,
                     Pattern::Compile(rule.pattern(), "reward.answer.pattern"));
  }
  return std::unique_ptr<Scorer>(
      new ExactScorer(std::move(pattern), rule.ignore_case()));
}

ExactScorer::ExactScorer(std::unique_ptr<const Pattern> pattern,
                         bool ignore_case)
    : pattern_(std::move(pattern)), ignore_case_(ignore_case) {}

v1::GetInfoResponse ExactScorer::Describe() const {
  return TextRuleInfo("exact", {"answered"});
}

absl::Status ExactScorer::ScoreItem(const v1::ScoreItem& item,
                                    v1::ScoreResult& result) const {
  RETURN_IF_ERROR(RequireGroundTruth(item));
  std::optional<std::string> answer = item.response();
  if (pattern_ != nullptr) {
    const auto match = pattern_->LastMatch(item.response());
    if (!match.ok()) return InResponseOf(item, match.status());
    answer = *match;
  }
  const std::string text = answer.value_or("");
  const absl::string_view said = absl::StripAsciiWhitespace(text);
  const absl::string_view truth =
      absl::StripAsciiWhitespace(item.ground_truth());
  (*result.mutable_components())["answered"] = said.empty() ? 0 : 1;
  const bool same =
      ignore_case_ ? absl::EqualsIgnoreCase(said, truth) : said == truth;
  result.set_score(same ? 1 : 0);
  return absl::OkStatus();
}

}  // namespace operant::reward
