// MANIFEST.json of a checkpoint: which files it has, how long, with which
// digest.
#ifndef OPERANT_LEARNER_CHECKPOINT_MANIFEST_H_
#define OPERANT_LEARNER_CHECKPOINT_MANIFEST_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/sha256_stream.h"

namespace operant::learner {

inline constexpr char kManifestName[] = "MANIFEST.json";
inline constexpr char kMarkerName[] = "COMPLETE";

// What the manifest says of a file.
struct ManifestEntry {
  std::string sha256;  // in hexadecimal digits
  uint64_t bytes = 0;
};
// By path relative to the checkpoint's folder.
using CheckpointFiles = std::map<std::string, ManifestEntry>;

// Writes the manifest of `recorded` (by full path) below `folder`. Internal: a
// file is there that was not recorded.
absl::Status WriteManifest(const std::string& folder,
                           const std::map<std::string, FileDigest>& recorded);

// DataLoss: it is no manifest.
absl::StatusOr<CheckpointFiles> ReadManifest(const std::string& folder);

// Whether the files below `folder`, but for manifest and marker, are those of
// `files`. DataLoss names the first that is missing, strange, or different.
absl::Status CheckFiles(const std::string& folder,
                        const CheckpointFiles& files);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_CHECKPOINT_MANIFEST_H_
