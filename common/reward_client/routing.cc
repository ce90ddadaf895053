#include "common/reward_client/routing.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace operant {
namespace {

bool Takes(const v1::RewardEndpoint& endpoint, const std::string& data_source) {
  const auto& sources = endpoint.data_sources();
  return sources.empty() || std::find(sources.begin(), sources.end(),
                                      data_source) != sources.end();
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
      if (!Takes(config.endpoints(e), items[i].data_source())) continue;
      routes[e].push_back(i);
      taken = true;
    }
    if (!taken) return NobodysItem(items[i]);
  }
  return routes;
}

absl::Status CheckDataSources(const v1::RewardSection& config,
                              const std::set<std::string>& data_sources) {
  const auto& endpoints = config.endpoints();
  for (const std::string& source : data_sources) {
    if (std::any_of(endpoints.begin(), endpoints.end(),
                    [&](const auto& e) { return Takes(e, source); })) {
      continue;
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "no reward endpoint takes some rows: data_source='", source,
        "', expected one of reward.endpoints.data_sources; add it to one, or "
        "an endpoint without data_sources"));
  }
  return absl::OkStatus();
}

}  // namespace operant
