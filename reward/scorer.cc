#include "reward/scorer.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "reward/code_scorer.h"
#include "reward/exact_scorer.h"
#include "reward/format_scorer.h"
#include "reward/json_schema_scorer.h"
#include "reward/judge_scorer.h"
#include "reward/length_scorer.h"
#include "reward/lexicon.h"
#include "reward/math_scorer.h"
#include "reward/pairwise_scorer.h"
#include "reward/preference_scorer.h"
#include "reward/ratings_scorer.h"
#include "reward/regex_scorer.h"
#include "reward/wellformed_scorer.h"

namespace operant::reward {
namespace {

absl::StatusOr<std::unique_ptr<Scorer>> MakeWellformed(
    const v1::RewardSection& config) {
  if (config.lexicon().empty()) {
    return absl::InvalidArgumentError(
        "wellformed scorer has no words: reward.lexicon='', expected a file "
        "with one word a line; set reward.lexicon, or another reward.scorer");
  }
  ASSIGN_OR_RETURN(Lexicon lexicon, Lexicon::Load(config.lexicon()));
  return std::make_unique<WellformedScorer>(std::move(lexicon));
}

}  // namespace

void ItemScorer::Score(const Items& items, const Cancelled& cancelled,
                       Results& results) const {
  for (const v1::ScoreItem& item : items) {
    if (cancelled()) return;
    v1::ScoreResult& result = *results.Add();
    result.set_id(item.id());
    const absl::Status status = ScoreItem(item, result);
    if (!status.ok()) SetItemError(status, result);
  }
}

void SetItemError(const absl::Status& status, v1::ScoreResult& result) {
  result.clear_components();
  result.mutable_error()->set_code(static_cast<uint32_t>(status.code()));
  result.mutable_error()->set_message(std::string(status.message()));
  result.mutable_error()->set_retryable(absl::IsUnavailable(status));
}

v1::GetInfoResponse TextRuleInfo(
    const char* name, std::initializer_list<const char*> components) {
  v1::GetInfoResponse info;
  info.set_name(name);
  info.set_version("1");
  info.add_needs(v1::GetInfoResponse::TEXT);
  for (const char* component : components) info.add_component_names(component);
  info.set_deterministic(true);
  info.set_has_score_range(true);
  info.set_score_min(0);
  info.set_score_max(1);
  return info;
}

absl::Status InResponseOf(const v1::ScoreItem& item,
                          const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(
      status.code(),
      absl::StrCat("row='", item.group_id(), "' response: ", status.message()));
}

absl::Status RequireGroundTruth(const v1::ScoreItem& item) {
  if (!item.ground_truth().empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "row has nothing to compare with: row='", item.group_id(),
      "' ground_truth='', expected the right answer; add ground_truth to the "
      "rows of data.prompts"));
}

absl::StatusOr<std::unique_ptr<Scorer>> MakeScorer(
    const v1::RewardSection& config) {
  const std::string& name = config.scorer();
  if (name == "wellformed") return MakeWellformed(config);
  if (name == "length") return std::make_unique<LengthScorer>();
  if (name == "regex") return RegexScorer::Create(config.pattern());
  if (name == "exact") return ExactScorer::Create(config.answer());
  if (name == "math") return MathScorer::Create(config.answer());
  if (name == "format") return FormatScorer::Create(config.format());
  if (name == "json-schema") return JsonSchemaScorer::Create(config.schema());
  if (name == "ratings") return RatingsScorer::Create(config.ratings());
  if (name == "judge") return JudgeScorer::Create(config.judge());
  if (name == "pairwise") return PairwiseScorer::Create(config.judge());
  if (name == "preference-model") {
    return PreferenceScorer::Create(config.preference_model(),
                                    static_cast<int>(config.threads()));
  }
  if (name == "code") return CodeScorer::Create(config.sandbox());
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown built-in scorer: reward.scorer='", name,
      "', expected wellformed, length, regex, exact, math, format, "
      "json-schema, ratings, judge, pairwise, preference-model or code; for a "
      "scorer of your own set reward.endpoints"));
}

}  // namespace operant::reward
