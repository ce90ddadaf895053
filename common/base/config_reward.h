// What the section `reward` of a configuration must keep.
#ifndef OPERANT_COMMON_BASE_CONFIG_REWARD_H_
#define OPERANT_COMMON_BASE_CONFIG_REWARD_H_

#include "common/base/config_faults.h"
#include "operant/v1/config.pb.h"

namespace operant::internal {

// Adds a fault for each key of `reward`, resolved, that cannot be used or
// contradicts another. No file is touched and nobody is dialled.
void CheckReward(const v1::RewardSection& reward, ConfigFaults& faults);

}  // namespace operant::internal

#endif  // OPERANT_COMMON_BASE_CONFIG_REWARD_H_
