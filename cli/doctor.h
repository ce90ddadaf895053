// The report of `operant doctor`, which `operant train --dry-run` shares.
#ifndef OPERANT_CLI_DOCTOR_H_
#define OPERANT_CLI_DOCTOR_H_

#include "absl/status/statusor.h"
#include "common/base/exit_code.h"
#include "operant/v1/config.pb.h"

namespace operant::cli {

// Prints what was looked at, a line each. The code of the first thing that is
// wrong, or kDone.
ExitCode Examine(const v1::RunConfig& config);

}  // namespace operant::cli

#endif  // OPERANT_CLI_DOCTOR_H_
