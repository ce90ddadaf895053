#include "common/run/announcement.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"

namespace operant {

absl::Status WriteAnnouncement(const std::string& path,
                               const Announcement& announcement) {
  if (path.empty()) return absl::OkStatus();
  const nlohmann::json json = {{"address", announcement.address},
                               {"metrics", announcement.metrics},
                               {"pid", getpid()}};
  return WriteFileAtomically(path, json.dump() + "\n");
}

absl::StatusOr<Announcement> ReadAnnouncement(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, /*max_bytes=*/4096));
  const auto json = nlohmann::json::parse(text, nullptr, /*throw=*/false);
  const auto text_of = [&](const char* key) -> std::string {
    const auto it = json.find(key);
    return it != json.end() && it->is_string() ? it->get<std::string>() : "";
  };
  if (!json.is_object()) {
    return absl::DataLossError(
        absl::StrCat("malformed announcement ", path, ": expected an object"));
  }
  return Announcement{text_of("address"), text_of("metrics")};
}

}  // namespace operant
