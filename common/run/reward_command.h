// Reward servers of the user's that a run starts (reward.endpoints[].command).
#ifndef OPERANT_COMMON_RUN_REWARD_COMMAND_H_
#define OPERANT_COMMON_RUN_REWARD_COMMAND_H_

#include <string>

#include "absl/status/status.h"
#include "common/run/child_process.h"
#include "operant/v1/config.pb.h"

namespace operant {

// Gives every endpoint with a command a free loopback port where its address
// names none. Another process could take the port meanwhile: the command then
// fails to start, which is told.
absl::Status AssignRewardAddresses(v1::RewardSection& reward);

// How to start `endpoint`'s command: OPERANT_REWARD_ADDRESS is its address,
// "{address}" in an argument is replaced by it; the program is looked for on
// PATH.
ProcessSpec RewardCommandSpec(const v1::RewardEndpoint& endpoint,
                              const std::string& role,
                              const std::string& log_path);

// Whether something accepts connections at `address` (host:port, numeric or
// localhost).
bool IsListening(const std::string& address);

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_REWARD_COMMAND_H_
