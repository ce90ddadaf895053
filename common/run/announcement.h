// How a process that took free ports says which: it writes a small JSON file
// (`--announce FILE`) the moment it serves.
#ifndef OPERANT_COMMON_RUN_ANNOUNCEMENT_H_
#define OPERANT_COMMON_RUN_ANNOUNCEMENT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace operant {

struct Announcement {
  std::string address;  // host:port of its gRPC services; empty if none
  std::string metrics;  // host:port of its HTTP port; empty if none
};

// Writes {"address": ..., "metrics": ..., "pid": ...}, atomically: a reader
// sees nothing or all of it. An empty `path` does nothing.
absl::Status WriteAnnouncement(const std::string& path,
                               const Announcement& announcement);

// NotFound while the process has not announced itself; DataLoss if the file is
// something else.
absl::StatusOr<Announcement> ReadAnnouncement(const std::string& path);

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_ANNOUNCEMENT_H_
