#include "bench/report.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"

namespace operant::bench {
namespace {

std::string FirstLineOf(const char* command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command, "r"), pclose);
  char line[256] = {};
  if (pipe == nullptr || fgets(line, sizeof(line), pipe.get()) == nullptr) {
    return "unknown";
  }
  return std::string(absl::StripSuffix(line, "\n"));
}

std::string CpuName() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

void PrintTable(const std::vector<Row>& rows) {
  absl::PrintF("%-24s %12s %-6s %12s %12s  %s\n", "name", "median", "unit",
               "low", "high", "note");
  for (const Row& row : rows) {
    absl::PrintF("%-24s %12.4g %-6s %12.4g %12.4g  %s\n", row.name, row.value,
                 row.unit, row.low, row.high, row.note);
  }
}

}  // namespace

Row MedianRow(std::string name, std::string unit, std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const size_t n = samples.size();
  Row row;
  row.name = std::move(name);
  row.unit = std::move(unit);
  row.value = (samples[(n - 1) / 2] + samples[n / 2]) / 2;
  row.low = samples.front();
  row.high = samples.back();
  return row;
}

absl::Status Report(const std::string& name, const std::vector<Row>& rows) {
  PrintTable(rows);
  nlohmann::ordered_json json;
  json["commit"] = FirstLineOf("git rev-parse HEAD 2>/dev/null");
  json["cpu"] = CpuName();
  json["gpu"] = "none used";
  json["rows"] = nlohmann::ordered_json::array();
  for (const Row& row : rows) {
    json["rows"].push_back({{"name", row.name},
                            {"value", row.value},
                            {"unit", row.unit},
                            {"low", row.low},
                            {"high", row.high},
                            {"against", row.against},
                            {"note", row.note}});
  }
  RETURN_IF_ERROR(MakeDirectories("bench/out"));
  return WriteFileAtomically(absl::StrCat("bench/out/", name, ".json"),
                             json.dump(2) + "\n");
}

}  // namespace operant::bench
