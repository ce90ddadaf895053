// One step's figures, computed once from its experience: what metrics, the
// step's line and the stop rules read.
#ifndef OPERANT_LEARNER_EXPERIENCE_STATS_H_
#define OPERANT_LEARNER_EXPERIENCE_STATS_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "common/reward_client/gateway.h"
#include "learner/experience.h"
#include "operant/v1/trajectory.pb.h"

namespace operant::learner {

struct Moments {
  double mean = 0;
  double deviation = 0;  // population standard deviation
};

// Every mean weighs a response by Experience::weights.
// "Per response" is a sum over the response's tokens, averaged over trained
// responses; everything else is over trained tokens unless it says otherwise.
struct ExperienceStats {
  int64_t responses = 0;
  int64_t trained_responses = 0;
  int64_t trained_tokens = 0;
  int64_t ignored = 0;     // by the reward server
  int64_t dropped = 0;     // reward.on_error: drop
  int64_t replaced = 0;    // reward.on_error: value:X
  int64_t truncated = 0;   // finish LENGTH, of all responses
  double mean_length = 0;  // response tokens, of all responses
  int64_t max_length = 0;
  double mean_staleness = 0;  // versions, of all responses
  int64_t max_staleness = 0;

  // Of responses that have a score (kScored, kReplaced).
  Moments score;                             // before score_clip
  std::map<std::string, double> components;  // mean where present
  double clipped_scores = 0;                 // share beyond score_clip
  // Groups of two or more trained responses that all got the same score, and
  // the number of such groups with any scores.
  int64_t zero_variance_groups = 0;
  int64_t groups = 0;

  // Three divergences that share no name: this policy from the reference, the
  // trainer's arithmetic and version from the sampler's, and (UpdateStats) the
  // updated policy from this one.
  double reference_kl_per_response = 0;  // k1
  double reference_kl_per_token = 0;     // k3, never negative
  double sampler_kl_per_token = 0;       // k1 of KL(mu || pi_old)
  // |log pi_old - log mu|.
  double sampler_gap_mean = 0;
  double sampler_gap_p99 = 0;
  double sampler_gap_max = 0;
  double importance_truncated = 0;  // share with pi_old / mu above the cap

  double entropy = 0;              // nats per token
  double reward_per_response = 0;  // score and KL penalty together
  Moments advantage;               // before whitening
  Moments return_;
  Moments value;
  // 1 - var(R - V_old) / var(R); 0 if the returns do not vary.
  double explained_variance = 0;
};

struct ExperienceStatsInputs {
  const Experience* experience = nullptr;
  std::span<const ItemScore> scores;      // [B]
  std::span<const float> raw_advantages;  // [N], before whitening
  double score_clip = 0;
  double importance_cap = 0;
};

ExperienceStats ComputeExperienceStats(const ExperienceStatsInputs& inputs);

// Where only a selection of the step's responses became experience: sets the
// figures that need no forward pass (counts, lengths, scores, groups) from all
// of `trajectories` and `in.scores`, which are aligned. `in.experience` and
// `in.raw_advantages` are not read.
void DescribeBatch(std::span<const v1::Trajectory> trajectories,
                   const ExperienceStatsInputs& in, ExperienceStats& stats);

// Mean and deviation of `values`; zeros if there are none.
Moments MomentsOf(std::span<const double> values);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_EXPERIENCE_STATS_H_
