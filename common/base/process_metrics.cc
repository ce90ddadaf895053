#include "common/base/process_metrics.h"

#include <unistd.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "common/base/file_io.h"

namespace operant {
namespace {

// Positions after the command name, from 0 (proc(5): utime is field 14, and
// the first one after the name is field 3).
constexpr size_t kUserTicks = 11;
constexpr size_t kSystemTicks = 12;
constexpr size_t kStartTicks = 19;
constexpr size_t kResidentPages = 21;

prometheus::MetricFamily Family(const char* name, const char* help,
                                prometheus::MetricType type, double value) {
  prometheus::ClientMetric metric;
  metric.counter.value = value;
  metric.gauge.value = value;
  return {name, help, type, {metric}};
}

// When the machine started, in seconds since 1970; 0 if unknown.
double BootTime() {
  const absl::StatusOr<std::string> text = ReadFile("/proc/stat");
  if (!text.ok()) return 0;
  for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
    double seconds = 0;
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    if (words.size() == 2 && words[0] == "btime" &&
        absl::SimpleAtod(words[1], &seconds)) {
      return seconds;
    }
  }
  return 0;
}

}  // namespace

bool ParseProcessStat(std::string_view text, ProcessStat& stat) {
  const size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos) return false;
  const std::vector<std::string> fields = absl::StrSplit(
      std::string(text.substr(name_end + 1)), ' ', absl::SkipEmpty());
  double user, system, start, pages;
  if (fields.size() <= kResidentPages ||
      !absl::SimpleAtod(fields[kUserTicks], &user) ||
      !absl::SimpleAtod(fields[kSystemTicks], &system) ||
      !absl::SimpleAtod(fields[kStartTicks], &start) ||
      !absl::SimpleAtod(fields[kResidentPages], &pages)) {
    return false;
  }
  const double ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  stat.cpu_seconds = (user + system) / ticks_per_second;
  stat.start_since_boot_seconds = start / ticks_per_second;
  stat.resident_bytes = pages * static_cast<double>(sysconf(_SC_PAGESIZE));
  return true;
}

std::vector<prometheus::MetricFamily> CollectProcessMetrics() {
  using prometheus::MetricType;
  std::vector<prometheus::MetricFamily> families;
  const absl::StatusOr<std::string> text = ReadFile("/proc/self/stat");
  ProcessStat stat;
  if (text.ok() && ParseProcessStat(*text, stat)) {
    families.push_back(Family("process_cpu_seconds_total",
                              "User and system CPU time spent in seconds.",
                              MetricType::Counter, stat.cpu_seconds));
    families.push_back(Family("process_resident_memory_bytes",
                              "Resident memory size in bytes.",
                              MetricType::Gauge, stat.resident_bytes));
    families.push_back(Family("process_start_time_seconds",
                              "Start time since the Unix epoch in seconds.",
                              MetricType::Gauge,
                              BootTime() + stat.start_since_boot_seconds));
  }
  const auto descriptors = ListDirectory("/proc/self/fd");
  if (descriptors.ok()) {
    families.push_back(
        Family("process_open_fds", "Number of open file descriptors.",
               MetricType::Gauge, static_cast<double>(descriptors->size())));
  }
  return families;
}

}  // namespace operant
