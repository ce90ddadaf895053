#include "common/run/process_table.h"

#include <algorithm>
#include <cmath>

#include "nlohmann/json.hpp"

namespace operant {
namespace {

double OneDecimal(double value) { return std::round(value * 10) / 10; }

}  // namespace

void ProcessTable::Started(const std::string& role) { ++rows_[role].starts; }

void ProcessTable::Serving(const std::string& role,
                           const Announcement& announcement) {
  rows_[role].announcement = announcement;
}

void ProcessTable::Ended(const ProcessExit& exit) {
  Row& row = rows_[exit.role];
  row.last_exit = exit;
  row.peak_rss_mib =
      std::max(row.peak_rss_mib, exit.peak_resident_bytes / 1024.0 / 1024.0);
  row.cpu_seconds += exit.cpu_seconds;
}

int ProcessTable::restarts(const std::string& role) const {
  const auto it = rows_.find(role);
  return it == rows_.end() ? 0 : std::max(0, it->second.starts - 1);
}

Announcement ProcessTable::announcement(const std::string& role) const {
  const auto it = rows_.find(role);
  return it == rows_.end() ? Announcement{} : it->second.announcement;
}

std::string ProcessTable::ToJson() const {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [role, row] : rows_) {
    json[role] = {{"address", row.announcement.address},
                  {"metrics", row.announcement.metrics},
                  {"starts", row.starts},
                  {"exit_code", row.last_exit.exit_code},
                  {"signal", row.last_exit.signal},
                  {"peak_rss_mib", OneDecimal(row.peak_rss_mib)},
                  {"cpu_seconds", OneDecimal(row.cpu_seconds)}};
  }
  return json.dump(2) + "\n";
}

std::string ProcessTable::PeakRssJson() const {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [role, row] : rows_) {
    json[role] = OneDecimal(row.peak_rss_mib);
  }
  return json.dump();
}

}  // namespace operant
