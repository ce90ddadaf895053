// A scored step as bytes, for the ranks that have no clients of their own.
#ifndef OPERANT_LEARNER_RANK_BATCH_H_
#define OPERANT_LEARNER_RANK_BATCH_H_

#include <string>

#include "absl/status/statusor.h"
#include "learner/batch_source.h"

namespace operant::learner {

// What BuildExperience reads: trajectories, outcomes, scores, token rewards.
struct RankStep {
  ScoredBatch batch;
  double kl_coefficient = 0;
};

std::string EncodeRankBatch(const ScoredBatch& batch, double kl_coefficient);
// DataLoss: these are not such bytes.
absl::StatusOr<RankStep> DecodeRankBatch(const std::string& bytes);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_RANK_BATCH_H_
