// What is known of a run's processes: where they serve, how they ended, what
// they cost.
#ifndef OPERANT_COMMON_RUN_PROCESS_TABLE_H_
#define OPERANT_COMMON_RUN_PROCESS_TABLE_H_

#include <map>
#include <string>

#include "common/run/announcement.h"
#include "common/run/child_process.h"

namespace operant {

// Not thread-safe.
class ProcessTable {
 public:
  void Started(const std::string& role);
  void Serving(const std::string& role, const Announcement& announcement);
  void Ended(const ProcessExit& exit);

  // How often `role` was started again.
  int restarts(const std::string& role) const;
  // Where `role` said it serves; empty fields if it did not.
  Announcement announcement(const std::string& role) const;

  // processes.json: {role: {address, metrics, starts, exit_code, signal,
  // peak_rss_mib, cpu_seconds}}.
  std::string ToJson() const;
  // {role: MiB}, the largest of its incarnations.
  std::string PeakRssJson() const;

 private:
  struct Row {
    Announcement announcement;
    int starts = 0;
    ProcessExit last_exit;
    double peak_rss_mib = 0;
    double cpu_seconds = 0;  // of all incarnations
  };
  std::map<std::string, Row> rows_;
};

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_PROCESS_TABLE_H_
