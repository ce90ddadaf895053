// Who gets which cores when everything of a run shares one machine.
#ifndef OPERANT_COMMON_RUN_THREAD_PLAN_H_
#define OPERANT_COMMON_RUN_THREAD_PLAN_H_

#include "operant/v1/config.pb.h"

namespace operant {

// Fills `rollout.threads` and `learner.threads` where they are 0. With
// staleness 0 generation and update take turns, so each gets all `cores`; else
// they overlap and the learner gets half. Workers share the rollouts' part,
// ranks the learner's. Nobody gets less than one.
void DivideThreads(int cores, v1::RunConfig& config);

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_THREAD_PLAN_H_
