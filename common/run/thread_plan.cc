#include "common/run/thread_plan.h"

#include <algorithm>

namespace operant {

void DivideThreads(int cores, v1::RunConfig& config) {
  const bool take_turns = config.learner().staleness() == 0;
  const int learner = take_turns ? cores : std::max(1, cores / 2);
  const int rollouts = take_turns ? cores : cores - learner;
  const int workers = std::max<int>(1, config.rollout().workers());
  const int ranks = std::max<int>(1, config.learner().ranks());
  if (config.learner().threads() == 0) {
    config.mutable_learner()->set_threads(std::max(1, learner / ranks));
  }
  if (config.rollout().threads() == 0) {
    config.mutable_rollout()->set_threads(std::max(1, rollouts / workers));
  }
}

}  // namespace operant
