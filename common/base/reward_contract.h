// What both ends of the reward contract, and its configuration, hold to.
#ifndef OPERANT_COMMON_BASE_REWARD_CONTRACT_H_
#define OPERANT_COMMON_BASE_REWARD_CONTRACT_H_

#include <cstdint>

namespace operant {

// The level of operant/v1/reward.proto that this build speaks.
inline constexpr uint32_t kRewardApiLevel = 1;

// Calls to one server that may ever be under way at once, whatever it takes:
// each costs a thread of the learner while it waits.
inline constexpr int kMaxRewardCalls = 64;

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_REWARD_CONTRACT_H_
