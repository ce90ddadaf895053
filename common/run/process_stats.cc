#include "common/run/process_stats.h"

#include <sched.h>

#include <algorithm>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace operant {
namespace {

// The text after "key" and its colon on the first such line, or "".
std::string ValueOf(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    absl::string_view rest = line;
    if (!absl::ConsumePrefix(&rest, key)) continue;
    rest = absl::StripLeadingAsciiWhitespace(rest);
    if (!absl::ConsumePrefix(&rest, ":")) continue;
    return std::string(absl::StripAsciiWhitespace(rest));
  }
  return "";
}

}  // namespace

absl::StatusOr<int64_t> PeakResidentBytes(pid_t pid) {
  const std::string path = absl::StrCat("/proc/", pid, "/status");
  const std::string value = ValueOf(path, "VmHWM");
  int64_t kib = 0;
  absl::string_view digits = value;
  if (!absl::ConsumeSuffix(&digits, " kB") || !absl::SimpleAtoi(digits, &kib)) {
    return absl::NotFoundError(absl::StrCat(
        "cannot read peak memory: pid=", pid, ", expected a running process"));
  }
  return kib * 1024;
}

std::string CpuName() {
  for (const char* key : {"model name", "Model", "Hardware"}) {
    std::string name = ValueOf("/proc/cpuinfo", key);
    if (!name.empty()) return name;
  }
  return "unknown";
}

int UsableCores() {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof(mask), &mask) != 0) return 1;
  return std::max(1, CPU_COUNT(&mask));
}

}  // namespace operant
