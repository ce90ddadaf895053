// What CheckDeployable asks of a run's connections: nothing leaves a machine in
// plaintext, and every address is one that its caller can reach.
#ifndef OPERANT_COMMON_DEPLOY_DEPLOY_TRANSPORT_CHECKS_H_
#define OPERANT_COMMON_DEPLOY_DEPLOY_TRANSPORT_CHECKS_H_

#include <string>

#include "common/base/config_faults.h"
#include "common/deploy/deployment.h"
#include "operant/v1/config.pb.h"

namespace operant::deploy {

// Adds a fault about `key` if `value` is empty.
void Require(const std::string& value, const std::string& key,
             const std::string& expected, internal::ConfigFaults& faults);

// reward.endpoints and security.
void CheckTransport(const v1::RunConfig& config, Target target,
                    internal::ConfigFaults& faults);

}  // namespace operant::deploy

#endif  // OPERANT_COMMON_DEPLOY_DEPLOY_TRANSPORT_CHECKS_H_
