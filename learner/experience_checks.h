// Self-checks around BuildExperience: what must hold whatever the model does.
#ifndef OPERANT_LEARNER_EXPERIENCE_CHECKS_H_
#define OPERANT_LEARNER_EXPERIENCE_CHECKS_H_

#include <span>

#include "absl/status/status.h"
#include "common/reward_client/gateway.h"
#include "learner/experience.h"
#include "operant/v1/trajectory.pb.h"

namespace operant::learner {

// InvalidArgument naming the first trajectory that cannot be trained on: other
// counts, an empty prompt or response, log-probs of another number, unfinished
// or aborted, a version newer than `policy_version`, a score or token reward
// that is not finite or outside the response.
absl::Status CheckScoredTrajectories(
    std::span<const v1::Trajectory> trajectories,
    std::span<const ItemScore> scores, uint64_t policy_version);

// OutOfRange if a figure of a token is not finite. Internal if a field has
// another length than the tokens, a log-prob is above 0 (but for rounding),
// the mask's sum is not the sum of trained lengths, or a response that is not
// trained on has a reward, advantage or return.
absl::Status CheckExperience(const Experience& experience);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_EXPERIENCE_CHECKS_H_
