// What a configuration needs before it can be rendered for a cluster.
#ifndef OPERANT_COMMON_DEPLOY_DEPLOY_CHECKS_H_
#define OPERANT_COMMON_DEPLOY_DEPLOY_CHECKS_H_

#include "absl/status/status.h"
#include "common/deploy/deployment.h"
#include "operant/v1/config.pb.h"

namespace operant::deploy {

// OK, or InvalidArgument with every fault, one a line, each with its key, what
// is expected and the next step. `config` is resolved and valid for training.
absl::Status CheckDeployable(const v1::RunConfig& config, Target target);

}  // namespace operant::deploy

#endif  // OPERANT_COMMON_DEPLOY_DEPLOY_CHECKS_H_
