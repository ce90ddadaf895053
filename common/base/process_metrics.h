// The process_* metrics that every Prometheus client exports, read from /proc.
#ifndef OPERANT_COMMON_BASE_PROCESS_METRICS_H_
#define OPERANT_COMMON_BASE_PROCESS_METRICS_H_

#include <string_view>
#include <vector>

#include "prometheus/metric_family.h"

namespace operant {

struct ProcessStat {
  double cpu_seconds = 0;  // user and system
  double resident_bytes = 0;
  double start_since_boot_seconds = 0;
};

// Parses /proc/PID/stat; the command name in it may hold any character. False
// if it is malformed.
bool ParseProcessStat(std::string_view text, ProcessStat& stat);

// The families of this process: process_cpu_seconds_total,
// process_resident_memory_bytes, process_open_fds, process_start_time_seconds.
// What /proc does not tell is left out.
std::vector<prometheus::MetricFamily> CollectProcessMetrics();

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_PROCESS_METRICS_H_
