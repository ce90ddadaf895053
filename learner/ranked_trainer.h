// The trainer of several ranks as one: rank 0 says what all do next and does it
// with them; the others follow.
#ifndef OPERANT_LEARNER_RANKED_TRAINER_H_
#define OPERANT_LEARNER_RANKED_TRAINER_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "learner/collective.h"
#include "learner/policy_trainer.h"
#include "learner/rank_hub.h"
#include "learner/rank_member.h"

namespace operant::learner {

// Rank 0's. `own` is its part; hub and collective are not owned. Errors are
// those of `own`; where the group ended, its verdict (RankHub).
std::unique_ptr<PolicyTrainer> CreateRankedTrainer(
    std::unique_ptr<PolicyTrainer> own, RankHub* hub, Collective* collective);

// What every other rank does until the end: carries rank 0's orders out on its
// part. OK: the run is done, or saved. Errors: the group's verdict, what ended
// this rank, Cancelled (a signal, and rank 0 did not end the run in `grace`).
absl::Status FollowOrders(PolicyTrainer& own, RankMember& member,
                          Collective& collective, absl::Duration grace);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_RANKED_TRAINER_H_
