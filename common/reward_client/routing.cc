#include "common/reward_client/routing.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace operant {
namespace {

bool Takes(const v1::RewardEndpoint& endpoint, const v1::ScoreItem& item) {
  const auto& sources = endpoint.data_sources();
  return sources.empty() || std::find(sources.begin(), sources.end(),
                                      item.data_source()) != sources.end();
}

absl::Status NobodysItem(const v1::ScoreItem& item) {
  return absl::FailedPreconditionError(absl::StrCat(
      "no reward endpoint takes a row: id='", item.id(), "' data_source='",
      item.data_source(),
      "', expected one of the endpoints' data_sources; add it to one, or an "
      "endpoint without data_sources"));
}

}  // namespace

absl::StatusOr<std::vector<std::vector<int>>> RouteItems(
    const v1::RewardSection& config, const std::vector<v1::ScoreItem>& items) {
  std::vector<std::vector<int>> routes(config.endpoints_size());
  for (size_t i = 0; i < items.size(); ++i) {
    bool taken = false;
    for (int e = 0; e < config.endpoints_size(); ++e) {
      if (!Takes(config.endpoints(e), items[i])) continue;
      routes[e].push_back(i);
      taken = true;
    }
    if (!taken) return NobodysItem(items[i]);
  }
  return routes;
}

}  // namespace operant
