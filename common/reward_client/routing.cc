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

absl::StatusOr<std::vector<int>> EndpointsFor(const v1::RewardSection& config,
                                              const v1::ScoreItem& item) {
  std::vector<int> endpoints;
  for (int e = 0; e < config.endpoints_size(); ++e) {
    if (Takes(config.endpoints(e), item.data_source())) endpoints.push_back(e);
  }
  if (endpoints.empty()) return NobodysItem(item);
  return endpoints;
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
