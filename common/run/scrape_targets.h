// What Prometheus is told of a run's processes: the format of file_sd and
// http_sd, with the labels that rules and dashboards group by.
#ifndef OPERANT_COMMON_RUN_SCRAPE_TARGETS_H_
#define OPERANT_COMMON_RUN_SCRAPE_TARGETS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace operant {

struct ScrapeTarget {
  std::string address;  // host:port of the HTTP port
  std::string role;     // learner, rank, rollout or reward
  std::string process;  // its name within the run: "rollout-0"

  bool operator==(const ScrapeTarget&) const = default;
};

// A JSON array, one entry per target with its labels run, role and process.
// Targets without an address are left out.
std::string ScrapeTargetsJson(const std::string& run,
                              const std::vector<ScrapeTarget>& targets);

// What ScrapeTargetsJson wrote. DataLoss: something else.
absl::StatusOr<std::vector<ScrapeTarget>> ParseScrapeTargets(
    const std::string& json);

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_SCRAPE_TARGETS_H_
