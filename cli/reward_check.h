// `operant reward check`.
#ifndef OPERANT_CLI_REWARD_CHECK_H_
#define OPERANT_CLI_REWARD_CHECK_H_

#include "CLI/CLI.hpp"
#include "cli/verbs.h"

namespace operant::cli {

// Adds `check` below the verb `reward`.
void AddRewardCheckVerb(CLI::App& reward, Action& action);

}  // namespace operant::cli

#endif  // OPERANT_CLI_REWARD_CHECK_H_
