// What a step trains on, fixed before it is trained. Pure.
#ifndef OPERANT_LEARNER_BATCH_MANIFEST_H_
#define OPERANT_LEARNER_BATCH_MANIFEST_H_

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "operant/v1/ledger.pb.h"
#include "operant/v1/trajectory.pb.h"

namespace operant::learner {

struct ManifestRules {
  uint64_t step = 0;
  uint64_t policy_version = 0;  // that is trained
  uint64_t staleness = 0;       // largest lag of a token
  uint64_t next_cursor = 0;
  size_t samples = 0;  // that the step must have
};

// The manifest of `batch`. Internal (what came before failed to keep it, so the
// step must not be taken): not `samples` responses; not ordered by prompt and
// sample index, each once; a token older than the bound or newer than the
// version that is trained.
absl::StatusOr<v1::BatchManifest> MakeBatchManifest(
    std::span<const v1::Trajectory> batch, const ManifestRules& rules);

// SHA-256 over the entries, in order.
std::string ManifestDigest(const v1::BatchManifest& manifest);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_BATCH_MANIFEST_H_
