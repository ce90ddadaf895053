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

// The endpoints of `config`, by index, that score `item`: those with its
// data_source among theirs, or that name none. FailedPrecondition if it is
// nobody's; names the data_source.
absl::StatusOr<std::vector<int>> EndpointsFor(const v1::RewardSection& config,
                                              const v1::ScoreItem& item);

// FailedPrecondition if rows of one of `data_sources` are nobody's: for the
// start of a run, before anything is spent.
absl::Status CheckDataSources(const v1::RewardSection& config,
                              const std::set<std::string>& data_sources);

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_ROUTING_H_
