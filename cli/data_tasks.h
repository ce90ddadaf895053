// `operant data addition` and `operant data programs`.
#ifndef OPERANT_CLI_DATA_TASKS_H_
#define OPERANT_CLI_DATA_TASKS_H_

#include "cli/verbs.h"

namespace operant::cli {

// Adds both below the verb `data`.
void AddTaskDataVerbs(CLI::App& data, Action& action);

}  // namespace operant::cli

#endif  // OPERANT_CLI_DATA_TASKS_H_
