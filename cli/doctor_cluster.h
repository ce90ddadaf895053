// `operant doctor --cluster`: what one process of a job finds.
#ifndef OPERANT_CLI_DOCTOR_CLUSTER_H_
#define OPERANT_CLI_DOCTOR_CLUSTER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/exit_code.h"
#include "operant/v1/config.pb.h"

namespace operant::cli {

// Prints this machine and whether `peers` (host:port) and the configuration's
// reward servers answer, a line each, with the host's name before it: jobs mix
// the lines of their machines. kResumable if one does not. InvalidArgument: a
// malformed peer.
absl::StatusOr<ExitCode> ExamineCluster(const v1::RunConfig& config,
                                        const std::vector<std::string>& peers);

}  // namespace operant::cli

#endif  // OPERANT_CLI_DOCTOR_CLUSTER_H_
