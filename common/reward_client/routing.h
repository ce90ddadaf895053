// Which endpoints score which rows.
#ifndef OPERANT_COMMON_REWARD_CLIENT_ROUTING_H_
#define OPERANT_COMMON_REWARD_CLIENT_ROUTING_H_

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "operant/v1/config.pb.h"
#include "operant/v1/reward.pb.h"

namespace operant {

// For each endpoint of `config`, in its order, the ascending indices of the
// items that it scores: those of its data_sources, or all if it names none.
// FailedPrecondition if an item is nobody's; it names the item's data_source.
absl::StatusOr<std::vector<std::vector<int>>> RouteItems(
    const v1::RewardSection& config, const std::vector<v1::ScoreItem>& items);

// FailedPrecondition if rows of one of `data_sources` are nobody's: for the
// start of a run, before anything is spent.
absl::Status CheckDataSources(const v1::RewardSection& config,
                              const std::set<std::string>& data_sources);

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_ROUTING_H_
