#include "reward/wellformed_scorer.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "reward/wellformed.h"

namespace operant::reward {

WellformedScorer::WellformedScorer(Lexicon lexicon)
    : lexicon_(std::move(lexicon)) {}

v1::GetInfoResponse WellformedScorer::Describe() const {
  return TextRuleInfo("wellformed", {"loop", "garbage", "empty", "nonstop"});
}

absl::Status WellformedScorer::ScoreItem(const v1::ScoreItem& item,
                                         v1::ScoreResult& result) const {
  if (item.finish() != v1::FINISH_REASON_STOP &&
      item.finish() != v1::FINISH_REASON_LENGTH) {
    return absl::InvalidArgumentError(absl::StrCat(
        "response is not finished: finish=", static_cast<int>(item.finish()),
        ", expected FINISH_REASON_STOP or FINISH_REASON_LENGTH"));
  }
  const Diagnosis diagnosis =
      Diagnose(item.response(), item.finish(), lexicon_);
  auto& components = *result.mutable_components();
  components["loop"] = diagnosis.loop;
  components["garbage"] = diagnosis.garbage;
  components["empty"] = diagnosis.empty;
  components["nonstop"] = diagnosis.nonstop;
  if (diagnosis.garbage) {
    (*result.mutable_notes())["garbage"] =
        std::string(diagnosis.garbage_reason);
  }
  result.set_score(diagnosis.haywire() ? 0 : 1);
  return absl::OkStatus();
}

}  // namespace operant::reward
