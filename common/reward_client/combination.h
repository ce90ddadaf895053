// Makes one score of what the endpoints of an item said. Pure.
#ifndef OPERANT_COMMON_REWARD_CLIENT_COMBINATION_H_
#define OPERANT_COMMON_REWARD_CLIENT_COMBINATION_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/reward_client/answer.h"
#include "common/reward_client/error_policy.h"
#include "common/reward_client/gateway.h"

namespace operant {

// One endpoint's say on one item.
struct WeightedAnswer {
  std::string endpoint;
  std::string lineage;
  double weight = 1;
  ItemAnswer answer;
};

// The item's score: the weighted sum of the endpoints' scores, token rewards
// weighted alike. Where several endpoints spoke, a component is named
// "endpoint/component" and each endpoint's own score is the component
// "endpoint". One "ignore" makes the item ignored. One error makes it an error,
// which `policy` turns into kDropped, kReplaced, or (kFail) into kDropped with
// the error for the caller to return. `answers` is not empty.
ItemScore Combine(const std::vector<WeightedAnswer>& answers,
                  const ErrorPolicy& policy);

// An error, of the first dropped item's code and with its cause, if more than
// `limit` (a share) of `scores` were dropped.
absl::Status CheckDropLimit(const std::vector<ItemScore>& scores, double limit);

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_COMBINATION_H_
