// Turns a step's scored trajectories into experience: three forward passes'
// worth of log-probs, rewards per token, advantages and returns.
#ifndef OPERANT_LEARNER_EXPERIENCE_BUILDER_H_
#define OPERANT_LEARNER_EXPERIENCE_BUILDER_H_

#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "common/nn/inference_model.h"
#include "common/reward_client/gateway.h"
#include "learner/collective.h"
#include "learner/experience.h"
#include "learner/experience_stats.h"
#include "operant/v1/config.pb.h"
#include "operant/v1/trajectory.pb.h"

namespace operant::learner {

// Nothing is owned; everything is read during the call only.
struct ExperienceInputs {
  // A whole step, aligned. Whitening is over all of it.
  std::span<const v1::Trajectory> trajectories;
  std::span<const ItemScore> scores;
  // Of each response in every mean and loss (sample_selection.h); empty: all 1.
  std::span<const float> weights;
  // Engines with weights in use: the policy as it is before the update (it
  // gives old_logp, entropy and values) and the reference.
  InferenceModel* policy = nullptr;
  const ValueHead* value_head = nullptr;
  InferenceModel* reference = nullptr;
  // Ranks that give the same inputs, all of them, divide the forward passes
  // among themselves and return the same experience. Null: there are none.
  Collective* collective = nullptr;
  uint64_t policy_version = 0;  // of `policy`; staleness counts from it
  double kl_coefficient = 0;    // beta now (KlController)
  double temperature = 1;       // of the sampler; divided out on both sides
  const v1::PpoSection* ppo = nullptr;  // resolved
};

struct BuiltExperience {
  Experience experience;
  ExperienceStats stats;
};

// The choices, each tested:
//  - the score, cut to +-score_clip, lands on the response's last token; a
//    token reward lands on the last token of its range, uncut;
//  - the KL penalty is k1 in the reward, of the sampled token, per token;
//  - a response that reached its limit is terminal (default), keeps the value
//    of the state after it ("bootstrap"; one that fills the model's context
//    has no such state and stays terminal), or is not trained on ("mask");
//  - ignored and dropped responses are not trained on;
//  - advantages and returns come from unwhitened values; whitening after, by
//    weighted moments.
//
// Errors: InvalidArgument (what came does not fit together: named),
// FailedPrecondition (no response left to train on), OutOfRange (the policy or
// the reference gave a number that is not finite: skip the step and count it),
// Internal (a self-check failed), and what the engines and the collective
// return. InvalidArgument, FailedPrecondition and OutOfRange are the same on
// all ranks.
absl::StatusOr<BuiltExperience> BuildExperience(const ExperienceInputs& inputs);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_EXPERIENCE_BUILDER_H_
