#include "reward/math_scorer.h"

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "common/base/status_macros.h"
#include "reward/math_answer.h"
#include "reward/math_value.h"

namespace operant::reward {

absl::StatusOr<std::unique_ptr<Scorer>> MathScorer::Create(
    const v1::AnswerRule& rule) {
  std::unique_ptr<const Pattern> pattern;
  if (!rule.pattern().empty()) {
    ASSIGN_OR_RETURN(pattern,
                     Pattern::Compile(rule.pattern(), "reward.answer.pattern"));
  }
  return std::unique_ptr<Scorer>(
      new MathScorer(std::move(pattern), rule.tolerance()));
}

MathScorer::MathScorer(std::unique_ptr<const Pattern> pattern, double tolerance)
    : pattern_(std::move(pattern)), tolerance_(tolerance) {}

v1::GetInfoResponse MathScorer::Describe() const {
  return TextRuleInfo("math", {"answered"});
}

absl::Status MathScorer::ScoreItem(const v1::ScoreItem& item,
                                   v1::ScoreResult& result) const {
  RETURN_IF_ERROR(RequireGroundTruth(item));
  std::optional<std::string> answer;
  if (pattern_ == nullptr) {
    answer = FindMathAnswer(item.response());
  } else {
    const auto match = pattern_->LastMatch(item.response());
    if (!match.ok()) return InResponseOf(item, match.status());
    answer = *match;
  }
  (*result.mutable_components())["answered"] = answer.has_value();
  const bool same =
      answer && SameMathAnswer(item.ground_truth(), *answer, tolerance_);
  result.set_score(same ? 1 : 0);
  return absl::OkStatus();
}

bool SameMathAnswer(const std::string& truth, const std::string& answer,
                    double tolerance) {
  const MathValue expected = ReadMathValue(truth);
  const MathValue said = ReadMathValue(answer);
  if (SameMathValue(expected, said, tolerance)) return true;
  if (said.kind != MathValue::Kind::kText) return false;
  // A number and a remark; a formula has no blank behind its first number.
  const std::optional<std::string> number = FirstNumber(answer);
  if (!number || !absl::StartsWith(answer, *number + " ")) return false;
  return SameMathValue(expected, ReadMathValue(*number), tolerance);
}

}  // namespace operant::reward
