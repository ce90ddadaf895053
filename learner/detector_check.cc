#include "learner/detector_check.h"

#include <utility>

#include "common/base/digest.h"
#include "common/base/status_macros.h"
#include "learner/evaluation.h"

namespace operant::learner {
namespace {

v1::ScoreItem RealItem(const PromptRow& row, size_t index) {
  v1::ScoreItem item;
  item.set_id(TrajectoryId("real", index, 0));
  item.set_group_id(TrajectoryId("real", index, 1));
  item.set_prompt(row.prompt);
  item.set_response(row.response);
  item.mutable_prompt_token_ids()->Assign(row.prompt_token_ids.begin(),
                                          row.prompt_token_ids.end());
  item.mutable_response_token_ids()->Assign(row.response_token_ids.begin(),
                                            row.response_token_ids.end());
  item.set_finish(v1::FINISH_REASON_STOP);
  item.set_ground_truth(row.ground_truth);
  item.set_data_source(row.data_source);
  return item;
}

}  // namespace

absl::StatusOr<double> DetectorFalsePositiveRate(
    const std::vector<PromptRow>& rows, RewardGateway* rewards) {
  if (rows.empty())
    return absl::InvalidArgumentError("no real responses to check with");
  std::vector<v1::ScoreItem> items;
  for (size_t i = 0; i < rows.size(); ++i)
    items.push_back(RealItem(rows[i], i));
  ASSIGN_OR_RETURN(const std::vector<ItemScore> scores,
                   rewards->Score(std::move(items), /*step=*/0, /*eval=*/true));
  int64_t haywire = 0;
  for (const ItemScore& score : scores)
    haywire += !FaultsOf(score, v1::FINISH_REASON_STOP).empty();
  return static_cast<double>(haywire) / static_cast<double>(rows.size());
}

}  // namespace operant::learner
