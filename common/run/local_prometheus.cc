#include "common/run/local_prometheus.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/address.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/run/prometheus_rules.h"

namespace operant {
namespace {

constexpr int kFirstPort = 9090;
constexpr int kLastPort = 9190;

// On one machine a scrape costs a millisecond: often enough to watch steps.
constexpr const char* kConfig = R"(global:
  scrape_interval: 5s
  evaluation_interval: 5s
rule_files:
  - recording.yaml
  - alerts.yaml
scrape_configs:
  - job_name: operant
    file_sd_configs:
      - files:
          - $TARGETS
        refresh_interval: 30s
)";

std::string_view Text(const unsigned char* bytes, int size) {
  return {reinterpret_cast<const char*>(bytes), static_cast<size_t>(size)};
}

// The program's path, from PATH.
absl::StatusOr<std::string> FindPrometheus() {
  const char* path = std::getenv("PATH");
  const std::vector<std::string> folders =
      absl::StrSplit(path == nullptr ? "" : path, ':', absl::SkipEmpty());
  for (const std::string& folder : folders) {
    std::string program = JoinPath(folder, "prometheus");
    if (access(program.c_str(), X_OK) == 0) return program;
  }
  return absl::FailedPreconditionError(
      "cannot watch the run: no prometheus in PATH, expected Debian's package; "
      "apt-get install prometheus, or leave --watch out");
}

// The first free one from Prometheus' own on.
absl::StatusOr<HostPort> FreePort() {
  HostPort address{"127.0.0.1", kFirstPort};
  while (!CheckCanListen(address).ok() && address.port < kLastPort)
    ++address.port;
  RETURN_IF_ERROR(CheckCanListen(address));
  return address;
}

absl::Status WriteFiles(const std::string& folder,
                        const std::string& targets_path) {
  RETURN_IF_ERROR(MakeDirectories(folder));
  std::string config = kConfig;
  const std::string targets =
      std::filesystem::absolute(targets_path).lexically_normal().string();
  config.replace(config.find("$TARGETS"), 8, absl::StrCat("'", targets, "'"));
  RETURN_IF_ERROR(
      WriteFileAtomically(JoinPath(folder, "prometheus.yml"), config));
  RETURN_IF_ERROR(
      WriteFileAtomically(JoinPath(folder, "recording.yaml"),
                          Text(kRecordingRules, kRecordingRulesBytes)));
  return WriteFileAtomically(JoinPath(folder, "alerts.yaml"),
                             Text(kAlertRules, kAlertRulesBytes));
}

}  // namespace

absl::StatusOr<LocalPrometheus> PrepareLocalPrometheus(
    const std::string& folder, const std::string& targets_path,
    const std::string& log_path) {
  ASSIGN_OR_RETURN(const std::string program, FindPrometheus());
  RETURN_IF_ERROR(WriteFiles(folder, targets_path));
  ASSIGN_OR_RETURN(const HostPort address, FreePort());
  return LocalPrometheus{
      .spec = {.role = "prometheus",
               .args = {program,
                        absl::StrCat("--config.file=",
                                     JoinPath(folder, "prometheus.yml")),
                        absl::StrCat("--storage.tsdb.path=",
                                     JoinPath(folder, "data")),
                        absl::StrCat("--web.listen-address=",
                                     address.ToString()),
                        "--log.level=warn"},
               .log_path = log_path},
      .address = address.ToString()};
}

}  // namespace operant
