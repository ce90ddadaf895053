// `operant train --watch`: a Prometheus of this machine that scrapes one run,
// with the shipped rules.
#ifndef OPERANT_COMMON_RUN_LOCAL_PROMETHEUS_H_
#define OPERANT_COMMON_RUN_LOCAL_PROMETHEUS_H_

#include <string>

#include "absl/status/statusor.h"
#include "common/run/child_process.h"

namespace operant {

struct LocalPrometheus {
  ProcessSpec spec;     // what to start, role "prometheus"
  std::string address;  // host:port of its web interface
};

// Writes the configuration and the rules into `folder`, to scrape what
// `targets_path` (file_sd) lists, and finds a free loopback port.
// FailedPrecondition if Prometheus is not installed.
absl::StatusOr<LocalPrometheus> PrepareLocalPrometheus(
    const std::string& folder, const std::string& targets_path,
    const std::string& log_path);

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_LOCAL_PROMETHEUS_H_
