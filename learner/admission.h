// Is this trajectory what was asked for, well-formed and fresh? Pure; the
// reason comes with the decision.
#ifndef OPERANT_LEARNER_ADMISSION_H_
#define OPERANT_LEARNER_ADMISSION_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "operant/v1/rollout.pb.h"
#include "operant/v1/trajectory.pb.h"

namespace operant::learner {

struct AdmissionRules {
  uint64_t min_policy_version = 0;  // oldest version a token may have
  uint64_t max_policy_version = 0;  // newest that was published
  // Digest of each published version that may still be sampled with; a
  // trajectory names that of its last version. Null: not checked (offline
  // sampling, where nothing is published).
  const std::map<uint64_t, std::string>* published = nullptr;
  int32_t vocab_size = 0;
  v1::SamplingParams sampling;
};

// Checks the invariants of trajectory.proto, that the ids are those of
// `prompt`, and that no token is older than the staleness bound.
// InvalidArgument (malformed), FailedPrecondition (stale, from a version that
// was never published, or from other weights than those published), Aborted
// (finish ABORTED: sample again).
absl::Status Admit(const v1::Trajectory& trajectory,
                   std::span<const int32_t> prompt,
                   const AdmissionRules& rules);

// Oldest and newest version among the trajectory's spans.
uint64_t OldestVersion(const v1::Trajectory& trajectory);
uint64_t NewestVersion(const v1::Trajectory& trajectory);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_ADMISSION_H_
