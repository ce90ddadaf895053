#include "learner/batch_manifest.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/digest.h"
#include "common/base/status_macros.h"
#include "learner/admission.h"
#include "learner/trajectory_digest.h"

namespace operant::learner {
namespace {

// Position in the run: prompt, then sample index.
std::pair<uint64_t, uint32_t> KeyOf(const v1::Trajectory& t) {
  return {t.seed_key().prompt_cursor(), t.seed_key().sample_index()};
}

v1::ManifestEntry EntryOf(const v1::Trajectory& t) {
  v1::ManifestEntry entry;
  entry.set_trajectory_id(t.id());
  entry.set_digest(TrajectoryDigest(t));
  entry.set_oldest_version(OldestVersion(t));
  entry.set_newest_version(NewestVersion(t));
  return entry;
}

absl::Status Broken(const ManifestRules& rules, const std::string& what) {
  return absl::InternalError(absl::StrCat("batch of step ", rules.step,
                                          " refused: ", what,
                                          "; the update is not made"));
}

absl::Status CheckLag(const v1::ManifestEntry& entry,
                      const ManifestRules& rules) {
  if (entry.oldest_version() + rules.staleness >= rules.policy_version &&
      entry.newest_version() <= rules.policy_version) {
    return absl::OkStatus();
  }
  return Broken(rules, absl::StrCat("trajectory ", entry.trajectory_id(),
                                    " has versions ", entry.oldest_version(),
                                    "..", entry.newest_version(),
                                    ", trained is ", rules.policy_version,
                                    ", learner.staleness=", rules.staleness));
}

}  // namespace

absl::StatusOr<v1::BatchManifest> MakeBatchManifest(
    std::span<const v1::Trajectory> batch, const ManifestRules& rules) {
  if (batch.size() != rules.samples) {
    return Broken(rules, absl::StrCat(batch.size(), " responses, expected ",
                                      rules.samples));
  }
  v1::BatchManifest manifest;
  manifest.set_step(rules.step);
  manifest.set_policy_version(rules.policy_version);
  manifest.set_next_cursor(rules.next_cursor);
  for (size_t i = 0; i < batch.size(); ++i) {
    if (i > 0 && !(KeyOf(batch[i - 1]) < KeyOf(batch[i]))) {
      return Broken(rules, absl::StrCat("trajectory ", batch[i].id(),
                                        " is out of order or there twice"));
    }
    *manifest.add_entries() = EntryOf(batch[i]);
    RETURN_IF_ERROR(CheckLag(manifest.entries(static_cast<int>(i)), rules));
  }
  return manifest;
}

std::string ManifestDigest(const v1::BatchManifest& manifest) {
  std::string bytes;
  for (const v1::ManifestEntry& entry : manifest.entries()) {
    absl::StrAppend(&bytes, entry.trajectory_id(), entry.digest(), ":",
                    entry.oldest_version(), ":", entry.newest_version(), ";");
  }
  return Sha256(bytes);
}

}  // namespace operant::learner
