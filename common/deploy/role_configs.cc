#include "common/deploy/role_configs.h"

#include "absl/strings/str_cat.h"
#include "common/base/config.h"

namespace operant::deploy {

namespace {

v1::SecuritySection SecurityOf(ProcessRole role,
                               const v1::SecuritySection& given,
                               const Placement& placement) {
  v1::SecuritySection security = given;
  const auto mounted = [](const char* name) {
    return absl::StrCat(kTlsFolder, "/", name);
  };
  if (placement.tls != Placement::Tls::kAsConfigured) {
    security.clear_certificate();
    security.clear_key();
    security.clear_ca();
    security.set_certs(kTlsFolder);
    if (!security.token_file().empty())
      security.set_token_file(mounted("token"));
  }
  if (placement.tls == Placement::Tls::kMountedByIssuer) {
    security.clear_certs();
    security.set_certificate(mounted("tls.crt"));
    security.set_key(mounted("tls.key"));
    security.set_ca(mounted("ca.crt"));
  }
  if (role == ProcessRole::kReward) security.clear_token_file();
  return security;
}

v1::RunConfig LearnerConfig(const v1::RunConfig& config,
                            const Placement& placement) {
  v1::RunConfig learner = config;
  learner.clear_deploy();
  if (learner.learner().threads() == 0)
    learner.mutable_learner()->set_threads(config.deploy().learner().cpus());
  if (config.reward().endpoints_size() == 0 &&
      !placement.reward_address.empty()) {
    v1::RewardEndpoint* builtin = learner.mutable_reward()->add_endpoints();
    builtin->set_name("builtin");
    builtin->set_address(placement.reward_address);
  }
  return learner;
}

v1::RunConfig WorkerConfig(const v1::RunConfig& config) {
  v1::RunConfig worker;
  worker.mutable_rollout()->set_threads(config.rollout().threads() > 0
                                            ? config.rollout().threads()
                                            : config.deploy().rollout().cpus());
  return worker;
}

v1::RunConfig RewardConfig(const v1::RunConfig& config) {
  v1::RunConfig reward;
  *reward.mutable_reward() = config.reward();
  reward.mutable_reward()->clear_endpoints();
  if (reward.reward().threads() <= 1)
    reward.mutable_reward()->set_threads(config.deploy().reward().cpus());
  return reward;
}

v1::RunConfig ConfigOf(ProcessRole role, const v1::RunConfig& config,
                       const Placement& placement) {
  if (role == ProcessRole::kLearner) return LearnerConfig(config, placement);
  return role == ProcessRole::kRollout ? WorkerConfig(config)
                                       : RewardConfig(config);
}

}  // namespace

std::string RoleConfig(ProcessRole role, const v1::RunConfig& config,
                       const Placement& placement) {
  v1::RunConfig own = ConfigOf(role, config, placement);
  *own.mutable_log() = config.log();
  *own.mutable_security() = SecurityOf(role, config.security(), placement);
  return ConfigToYaml(own);
}

}  // namespace operant::deploy
