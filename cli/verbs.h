// The verbs of `operant`, one file each. A verb declares its flags, and what
// it does is one call into a library.
#ifndef OPERANT_CLI_VERBS_H_
#define OPERANT_CLI_VERBS_H_

#include <functional>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "common/base/exit_code.h"

namespace operant::cli {

// What the command line asked for; main runs it once parsing is done.
using Action = std::function<absl::StatusOr<ExitCode>()>;

// Each adds its subcommand, which sets `action` when it is chosen.
void AddTrainVerb(CLI::App& app, Action& action);
void AddLearnerVerb(CLI::App& app, Action& action);
void AddRolloutVerb(CLI::App& app, Action& action);
void AddRunsVerb(CLI::App& app, Action& action);
void AddRewardVerb(CLI::App& app, Action& action);
void AddSftVerb(CLI::App& app, Action& action);
void AddRmVerb(CLI::App& app, Action& action);
void AddDemoVerb(CLI::App& app, Action& action);
void AddDataVerb(CLI::App& app, Action& action);
void AddEvalVerb(CLI::App& app, Action& action);
void AddGenerateVerb(CLI::App& app, Action& action);
void AddDeployVerb(CLI::App& app, Action& action);
void AddDoctorVerb(CLI::App& app, Action& action);
void AddInitVerb(CLI::App& app, Action& action);
void AddLogprobsVerb(CLI::App& app, Action& action);
void AddCertsVerb(CLI::App& app, Action& action);
void AddCompletionVerb(CLI::App& app, Action& action);
void AddConfigVerb(CLI::App& app, Action& action);
void AddProbeVerb(CLI::App& app, Action& action);
void AddTopVerb(CLI::App& app, Action& action);
void AddVersionVerb(CLI::App& app, Action& action);

}  // namespace operant::cli

#endif  // OPERANT_CLI_VERBS_H_
