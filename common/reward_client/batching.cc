#include "common/reward_client/batching.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/reward_client/server_info.h"

namespace operant {

BatchLimits LimitsFor(const v1::GetInfoResponse& info, size_t batch_items) {
  BatchLimits limits;
  limits.wanted_items = batch_items;
  limits.max_items = info.max_batch_items();
  limits.whole_groups = HasNeed(info, v1::GetInfoResponse::WHOLE_GROUP);
  return limits;
}

BatchQueue::BatchQueue(const BatchLimits& limits, size_t group_items)
    : limits_(limits), group_items_(group_items) {}

absl::Status BatchQueue::Add(int index, const v1::ScoreItem& item) {
  Unit single;
  Unit& unit = limits_.whole_groups ? growing_[item.group_id()] : single;
  const size_t bytes = unit.bytes + item.ByteSizeLong();
  RETURN_IF_ERROR(CheckFits(item, unit.indices.size() + 1, bytes));
  unit.indices.push_back(index);
  unit.bytes = bytes;
  if (limits_.whole_groups && unit.indices.size() != group_items_) {
    return absl::OkStatus();
  }
  Ready(std::move(unit));
  growing_.erase(item.group_id());
  return absl::OkStatus();
}

void BatchQueue::Close() {
  std::vector<Unit> rest;
  for (auto& [group, unit] : growing_) {
    if (!unit.indices.empty()) rest.push_back(std::move(unit));
  }
  growing_.clear();
  std::sort(rest.begin(), rest.end(), [](const Unit& a, const Unit& b) {
    return a.indices.front() < b.indices.front();
  });
  for (Unit& unit : rest) Ready(std::move(unit));
}

size_t BatchQueue::items_per_batch() const {
  return limits_.max_items > 0
             ? std::min(limits_.wanted_items, limits_.max_items)
             : limits_.wanted_items;
}

std::vector<int> BatchQueue::Take() {
  std::vector<int> batch;
  size_t bytes = 0;
  while (!ready_.empty()) {
    const Unit& unit = ready_.front();
    const bool fits =
        batch.empty() ||
        (batch.size() + unit.indices.size() <= items_per_batch() &&
         bytes + unit.bytes <= limits_.max_bytes);
    if (!fits) break;
    batch.insert(batch.end(), unit.indices.begin(), unit.indices.end());
    bytes += unit.bytes;
    ready_.pop_front();
  }
  ready_items_ -= batch.size();
  return batch;
}

// A unit of `items` items and `bytes` bytes with `item` among them.
absl::Status BatchQueue::CheckFits(const v1::ScoreItem& item, size_t items,
                                   size_t bytes) const {
  const bool too_many = limits_.max_items > 0 && items > limits_.max_items;
  if (!too_many && bytes <= limits_.max_bytes) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "items that belong in one request do not fit: id='", item.id(),
      "' group='", item.group_id(), "' items=", items, " bytes=", bytes,
      ", expected at most ",
      limits_.max_items > 0 ? absl::StrCat(limits_.max_items, " items and ")
                            : std::string(),
      limits_.max_bytes,
      " bytes; lower learner.samples_per_prompt or "
      "rollout.max_response_tokens, or raise the server's max_batch_items"));
}

void BatchQueue::Ready(Unit unit) {
  ready_items_ += unit.indices.size();
  ready_.push_back(std::move(unit));
}

}  // namespace operant
