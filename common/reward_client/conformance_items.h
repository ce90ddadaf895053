// What a conformance check asks a server to score.
#ifndef OPERANT_COMMON_REWARD_CLIENT_CONFORMANCE_ITEMS_H_
#define OPERANT_COMMON_REWARD_CLIENT_CONFORMANCE_ITEMS_H_

#include <string>
#include <vector>

#include "operant/v1/reward.pb.h"

namespace operant {

// An item with everything that a server may need: text, ids, log-probs and
// messages.
v1::ScoreItem SampleItem(const std::string& id, const std::string& response);

// `count` ordinary items, four to a group.
std::vector<v1::ScoreItem> SampleItems(int count);

// What a model that goes haywire sends: empty, endless, control characters,
// loops, markup, other scripts; and no ground truth.
std::vector<v1::ScoreItem> HaywireItems();

// Ordinary items with ids that a careless server would change.
std::vector<v1::ScoreItem> OddIdItems();

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_CONFORMANCE_ITEMS_H_
