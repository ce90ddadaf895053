#include "common/deploy/deployment.h"

#include <algorithm>

namespace operant::deploy {

std::string NameOf(ProcessRole role) {
  switch (role) {
    case ProcessRole::kLearner:
      return "learner";
    case ProcessRole::kRollout:
      return "rollout";
    case ProcessRole::kReward:
      return "reward";
  }
  return "";
}

int PortOf(ProcessRole role) {
  if (role == ProcessRole::kLearner) return kLearnerPort;
  return role == ProcessRole::kRollout ? kRolloutPort : kRewardPort;
}

const v1::DeployRole& ResourcesOf(ProcessRole role,
                                  const v1::DeploySection& deploy) {
  if (role == ProcessRole::kLearner) return deploy.learner();
  return role == ProcessRole::kRollout ? deploy.rollout() : deploy.reward();
}

uint32_t ProcessesOf(ProcessRole role, const v1::RunConfig& config) {
  if (role == ProcessRole::kLearner) return config.learner().ranks();
  if (role == ProcessRole::kRollout) return config.rollout().workers();
  return config.reward().endpoints_size() > 0
             ? 0
             : config.deploy().reward_replicas();
}

uint32_t GraceSeconds(ProcessRole role, const v1::RunConfig& config) {
  if (role == ProcessRole::kLearner)
    return config.run().stop_grace_ms() / 1000 + kStopMarginSeconds;
  return role == ProcessRole::kRollout ? kDrainSeconds + kStopMarginSeconds
                                       : kStopMarginSeconds;
}

uint64_t GpusOf(ProcessRole role, const v1::RunConfig& config) {
  uint64_t processes = ProcessesOf(role, config);
  if (role == ProcessRole::kRollout)
    processes =
        std::max<uint64_t>(processes, config.deploy().elastic_workers());
  return processes * ResourcesOf(role, config.deploy()).gpus();
}

uint64_t GpusOf(const v1::RunConfig& config) {
  return GpusOf(ProcessRole::kLearner, config) +
         GpusOf(ProcessRole::kRollout, config) +
         GpusOf(ProcessRole::kReward, config);
}

std::string OverlayOf(const v1::RunConfig& config) {
  const v1::DeploySection& deploy = config.deploy();
  if (!deploy.overlay().empty()) return deploy.overlay();
  if (GpusOf(config) == 0) return "dev-cpu";
  return deploy.nodes() == 1 ? "single-node" : "multi-node-rdma";
}

}  // namespace operant::deploy
