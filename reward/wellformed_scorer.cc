#include "reward/wellformed_scorer.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "reward/wellformed.h"

namespace operant::reward {

WellformedScorer::WellformedScorer(Lexicon lexicon)
    : lexicon_(std::move(lexicon)) {}

v1::GetInfoResponse WellformedScorer::Describe() const {
  v1::GetInfoResponse info;
  info.set_name("wellformed");
  info.set_version("1");
  info.add_needs(v1::GetInfoResponse::TEXT);
  for (const char* name : {"loop", "garbage", "empty", "nonstop"}) {
    info.add_component_names(name);
  }
  info.set_deterministic(true);
  info.set_has_score_range(true);
  info.set_score_min(0);
  info.set_score_max(1);
  return info;
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
