// The configuration file of each role. Each holds what the role needs and no
// more: reward servers see neither the run's data nor its token.
#ifndef OPERANT_COMMON_DEPLOY_ROLE_CONFIGS_H_
#define OPERANT_COMMON_DEPLOY_ROLE_CONFIGS_H_

#include <string>

#include "common/deploy/deployment.h"
#include "operant/v1/config.pb.h"

namespace operant::deploy {

struct Placement {
  // host:port or dns:///name:port of the built-in reward servers; empty: the
  // command line says.
  std::string reward_address;
  // Certificates: those of `config` where they are, or those mounted into a
  // container.
  enum class Tls { kAsConfigured, kMounted, kMountedByIssuer };
  Tls tls = Tls::kAsConfigured;
};

// YAML that the role's verb loads.
std::string RoleConfig(ProcessRole role, const v1::RunConfig& config,
                       const Placement& placement);

}  // namespace operant::deploy

#endif  // OPERANT_COMMON_DEPLOY_ROLE_CONFIGS_H_
