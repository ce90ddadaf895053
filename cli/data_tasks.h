// `operant data addition`, `programs` and `pairs`.
#ifndef OPERANT_CLI_DATA_TASKS_H_
#define OPERANT_CLI_DATA_TASKS_H_

#include "cli/verbs.h"

namespace operant::cli {

// Each adds below the verb `data`: the two tasks, and pairs.
void AddTaskDataVerbs(CLI::App& data, Action& action);
void AddPairsVerb(CLI::App& data, Action& action);

}  // namespace operant::cli

#endif  // OPERANT_CLI_DATA_TASKS_H_
