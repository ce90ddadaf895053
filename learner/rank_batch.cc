#include "learner/rank_batch.h"

#include "operant/v1/ranks.pb.h"

namespace operant::learner {

std::string EncodeRankBatch(const ScoredBatch& batch, double kl_coefficient) {
  v1::RankBatch message;
  message.set_step(batch.step);
  message.set_kl_coefficient(kl_coefficient);
  message.mutable_trajectories()->Assign(batch.trajectories.begin(),
                                         batch.trajectories.end());
  for (const ItemScore& score : batch.scores) {
    v1::RankBatch::Score* encoded = message.add_scores();
    encoded->set_outcome(static_cast<uint32_t>(score.outcome));
    encoded->set_score(score.score);
    encoded->mutable_token_rewards()->Assign(score.token_rewards.begin(),
                                             score.token_rewards.end());
  }
  return message.SerializeAsString();
}

absl::StatusOr<RankStep> DecodeRankBatch(const std::string& bytes) {
  v1::RankBatch message;
  if (!message.ParseFromString(bytes) ||
      message.scores_size() != message.trajectories_size()) {
    return absl::DataLossError("rank 0 sent a step that cannot be read");
  }
  RankStep step;
  step.kl_coefficient = message.kl_coefficient();
  step.batch.step = message.step();
  step.batch.trajectories.assign(message.trajectories().begin(),
                                 message.trajectories().end());
  for (const v1::RankBatch::Score& encoded : message.scores()) {
    ItemScore& score = step.batch.scores.emplace_back();
    score.outcome = static_cast<ItemScore::Outcome>(encoded.outcome());
    score.score = encoded.score();
    score.token_rewards.assign(encoded.token_rewards().begin(),
                               encoded.token_rewards().end());
  }
  return step;
}

}  // namespace operant::learner
