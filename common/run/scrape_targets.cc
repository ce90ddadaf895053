#include "common/run/scrape_targets.h"

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace operant {

using nlohmann::json;

std::string ScrapeTargetsJson(const std::string& run,
                              const std::vector<ScrapeTarget>& targets) {
  json list = json::array();
  for (const ScrapeTarget& target : targets) {
    if (target.address.empty()) continue;
    list.push_back(
        {{"targets", {target.address}},
         {"labels",
          {{"run", run}, {"role", target.role}, {"process", target.process}}}});
  }
  return list.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

absl::StatusOr<std::vector<ScrapeTarget>> ParseScrapeTargets(
    const std::string& text) {
  std::vector<ScrapeTarget> targets;
  try {
    for (const json& entry : json::parse(text)) {
      const json& labels = entry.at("labels");
      for (const json& address : entry.at("targets")) {
        targets.push_back({address.get<std::string>(),
                           labels.value("role", std::string()),
                           labels.value("process", std::string())});
      }
    }
  } catch (const json::exception& e) {
    return absl::DataLossError(absl::StrCat(
        "cannot read targets: ", e.what(),
        ", expected the list that /sd of a learner and targets.json hold"));
  }
  return targets;
}

}  // namespace operant
