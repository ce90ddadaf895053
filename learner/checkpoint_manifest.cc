#include "learner/checkpoint_manifest.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/digest.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"

namespace operant::learner {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Paths of everything below `folder` that is no folder, relative to it, sorted;
// without manifest and marker.
absl::StatusOr<std::vector<std::string>> FilesBelow(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, error);
  for (; !error && entry != fs::recursive_directory_iterator();
       entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_directory(ignored)) continue;
    std::string name = entry->path().lexically_relative(folder).string();
    if (name != kManifestName && name != kMarkerName)
      files.push_back(std::move(name));
  }
  if (error) return ErrnoStatus(error.value(), "cannot list", folder);
  std::sort(files.begin(), files.end());
  return files;
}

absl::Status Bad(const std::string& folder, const std::string& file,
                 const std::string& what) {
  return absl::DataLossError(absl::StrCat(JoinPath(folder, file), " ", what));
}

absl::Status CheckFile(const std::string& folder, const std::string& file,
                       const ManifestEntry& expected) {
  absl::StatusOr<FileDigest> digest = DigestOfFile(JoinPath(folder, file));
  if (!digest.ok()) {
    return Bad(folder, file,
               absl::StrCat("cannot be read: ", digest.status().message()));
  }
  if (digest->bytes != expected.bytes) {
    return Bad(folder, file,
               absl::StrCat("has ", digest->bytes, " bytes, ", kManifestName,
                            " says ", expected.bytes));
  }
  if (Hex(digest->sha256) == expected.sha256) return absl::OkStatus();
  return Bad(folder, file,
             absl::StrCat("does not match its digest in ", kManifestName));
}

}  // namespace

absl::Status WriteManifest(const std::string& folder,
                           const std::map<std::string, FileDigest>& recorded) {
  ASSIGN_OR_RETURN(const std::vector<std::string> files, FilesBelow(folder));
  json entries = json::object();
  for (const std::string& file : files) {
    const auto digest = recorded.find(JoinPath(folder, file));
    if (digest == recorded.end()) {
      return absl::InternalError(
          absl::StrCat("checkpoint not published: nobody knows the digest of ",
                       JoinPath(folder, file)));
    }
    entries[file] = {{"sha256", Hex(digest->second.sha256)},
                     {"bytes", digest->second.bytes}};
  }
  return WriteFileAtomically(JoinPath(folder, kManifestName),
                             json{{"files", entries}}.dump(1));
}

absl::StatusOr<CheckpointFiles> ReadManifest(const std::string& folder) {
  ASSIGN_OR_RETURN(const std::string text,
                   ReadFile(JoinPath(folder, kManifestName)));
  const json manifest = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!manifest.is_object() || !manifest.contains("files") ||
      !manifest["files"].is_object())
    return Bad(folder, kManifestName, "is no manifest");
  CheckpointFiles files;
  for (const auto& [file, entry] : manifest["files"].items()) {
    const bool fits = entry.is_object() && entry.contains("sha256") &&
                      entry["sha256"].is_string() && entry.contains("bytes") &&
                      entry["bytes"].is_number_unsigned();
    if (!fits) return Bad(folder, kManifestName, "has no digest of " + file);
    files[file] = {.sha256 = entry["sha256"].get<std::string>(),
                   .bytes = entry["bytes"].get<uint64_t>()};
  }
  return files;
}

absl::Status CheckFiles(const std::string& folder,
                        const CheckpointFiles& files) {
  ASSIGN_OR_RETURN(const std::vector<std::string> present, FilesBelow(folder));
  for (const std::string& file : present) {
    if (!files.contains(file))
      return Bad(folder, file, absl::StrCat("is not in ", kManifestName));
  }
  for (const auto& [file, digest] : files)
    RETURN_IF_ERROR(CheckFile(folder, file, digest));
  return absl::OkStatus();
}

}  // namespace operant::learner
