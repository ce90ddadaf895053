#include "common/reward_client/batching.h"

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/reward_client/server_info.h"

namespace operant {
namespace {

// Items that must travel together: a group, or a single item.
struct Unit {
  std::vector<int> indices;
  size_t bytes = 0;
};

std::vector<Unit> MakeUnits(const std::vector<v1::ScoreItem>& items,
                            const std::vector<int>& chosen, bool whole_groups) {
  std::vector<Unit> units;
  absl::flat_hash_map<std::string, size_t> unit_of_group;
  for (int index : chosen) {
    size_t unit = units.size();
    if (whole_groups) {
      unit = unit_of_group.try_emplace(items[index].group_id(), unit)
                 .first->second;
    }
    if (unit == units.size()) units.emplace_back();
    units[unit].indices.push_back(index);
    units[unit].bytes += items[index].ByteSizeLong();
  }
  return units;
}

absl::Status CheckFits(const std::vector<v1::ScoreItem>& items,
                       const Unit& unit, const BatchLimits& limits) {
  const bool too_many =
      limits.max_items > 0 && unit.indices.size() > limits.max_items;
  if (!too_many && unit.bytes <= limits.max_bytes) return absl::OkStatus();
  const v1::ScoreItem& first = items[unit.indices.front()];
  return absl::InvalidArgumentError(absl::StrCat(
      "items that belong in one request do not fit: id='", first.id(),
      "' group='", first.group_id(), "' items=", unit.indices.size(),
      " bytes=", unit.bytes, ", expected at most ",
      limits.max_items > 0 ? absl::StrCat(limits.max_items, " items and ")
                           : std::string(),
      limits.max_bytes,
      " bytes; lower learner.samples_per_prompt or "
      "rollout.max_response_tokens, or raise the server's max_batch_items"));
}

// The larger of the two wishes, within the server's limit.
size_t ItemsPerBatch(const BatchLimits& limits) {
  return limits.max_items > 0 ? std::min(limits.wanted_items, limits.max_items)
                              : limits.wanted_items;
}

}  // namespace

absl::StatusOr<std::vector<std::vector<int>>> MakeBatches(
    const std::vector<v1::ScoreItem>& items, const std::vector<int>& chosen,
    const BatchLimits& limits) {
  const size_t items_per_batch = ItemsPerBatch(limits);
  std::vector<std::vector<int>> batches;
  size_t bytes = 0;
  for (const Unit& unit : MakeUnits(items, chosen, limits.whole_groups)) {
    RETURN_IF_ERROR(CheckFits(items, unit, limits));
    const bool fits =
        !batches.empty() &&
        batches.back().size() + unit.indices.size() <= items_per_batch &&
        bytes + unit.bytes <= limits.max_bytes;
    if (!fits) {
      batches.emplace_back();
      bytes = 0;
    }
    batches.back().insert(batches.back().end(), unit.indices.begin(),
                          unit.indices.end());
    bytes += unit.bytes;
  }
  return batches;
}

BatchLimits LimitsFor(const v1::GetInfoResponse& info, size_t batch_items) {
  BatchLimits limits;
  limits.wanted_items = batch_items;
  limits.max_items = info.max_batch_items();
  limits.whole_groups = HasNeed(info, v1::GetInfoResponse::WHOLE_GROUP);
  return limits;
}

}  // namespace operant
