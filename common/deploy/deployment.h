// What all renderers agree on: ports, folders and names of a deployed run.
#ifndef OPERANT_COMMON_DEPLOY_DEPLOYMENT_H_
#define OPERANT_COMMON_DEPLOY_DEPLOYMENT_H_

#include <string>

#include "operant/v1/config.pb.h"

namespace operant::deploy {

enum class Target { kK8s, kSlurm, kCompose, kSystemd };
enum class ProcessRole { kLearner, kRollout, kReward };

inline constexpr int kLearnerPort = 7070;
inline constexpr int kRolloutPort = 7071;
inline constexpr int kRewardPort = 50061;
inline constexpr int kHttpPort = 9464;

// What is being sampled may finish for so long after SIGTERM.
inline constexpr int kDrainSeconds = 60;
// From SIGTERM to SIGKILL, beyond what the process itself takes.
inline constexpr int kStopMarginSeconds = 30;

// Where containers find what is mounted into them.
inline constexpr char kConfigFolder[] = "/etc/operant/config";
inline constexpr char kTlsFolder[] = "/etc/operant/tls";
inline constexpr char kProgram[] = "/usr/local/bin/operant";

// "learner", "rollout", "reward".
std::string NameOf(ProcessRole role);
int PortOf(ProcessRole role);
const v1::DeployRole& ResourcesOf(ProcessRole role,
                                  const v1::DeploySection& deploy);
// How many processes of the role the run has; built-in reward servers only
// where no endpoints are given.
uint32_t ProcessesOf(ProcessRole role, const v1::RunConfig& config);

// GPUs of the role's processes, or of all; workers at their greatest number.
uint64_t GpusOf(ProcessRole role, const v1::RunConfig& config);
uint64_t GpusOf(const v1::RunConfig& config);

// The Kubernetes overlay that is named, or the one that fits.
std::string OverlayOf(const v1::RunConfig& config);

// Seconds between SIGTERM and SIGKILL.
uint32_t GraceSeconds(ProcessRole role, const v1::RunConfig& config);

}  // namespace operant::deploy

#endif  // OPERANT_COMMON_DEPLOY_DEPLOYMENT_H_
