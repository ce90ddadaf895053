#include "reward/scorer.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "reward/length_scorer.h"
#include "reward/lexicon.h"
#include "reward/regex_scorer.h"
#include "reward/wellformed_scorer.h"

namespace operant::reward {
namespace {

// In place of whatever the scorer had written: never a score beside an error.
void SetError(const absl::Status& status, v1::ScoreResult& result) {
  result.clear_components();
  result.mutable_error()->set_code(static_cast<uint32_t>(status.code()));
  result.mutable_error()->set_message(std::string(status.message()));
}

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
    if (!status.ok()) SetError(status, result);
  }
}

absl::StatusOr<std::unique_ptr<Scorer>> MakeScorer(
    const v1::RewardSection& config) {
  if (config.scorer() == "wellformed") return MakeWellformed(config);
  if (config.scorer() == "length") return std::make_unique<LengthScorer>();
  if (config.scorer() == "regex") return RegexScorer::Create(config.pattern());
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown built-in scorer: reward.scorer='", config.scorer(),
      "', expected wellformed, length or regex; for a scorer of your own set "
      "reward.endpoints"));
}

}  // namespace operant::reward
