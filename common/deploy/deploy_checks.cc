#include "common/deploy/deploy_checks.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/config_faults.h"
#include "common/deploy/deploy_paths.h"
#include "common/deploy/deploy_transport_checks.h"
#include "common/deploy/deploy_units.h"

namespace operant::deploy {
namespace {

using internal::ConfigFaults;

// Leaves room for "-learner-0-0" and the like in a DNS label.
constexpr size_t kMaxRunName = 40;

constexpr ProcessRole kRoles[] = {ProcessRole::kLearner, ProcessRole::kRollout,
                                  ProcessRole::kReward};

bool InContainers(Target target) {
  return target == Target::kK8s || target == Target::kCompose;
}

void CheckQuantity(const std::string& value, const std::string& key,
                   ConfigFaults& faults) {
  if (Mebibytes(value) > 0) return;
  faults.Add(
      {key, value, "a size in Mi, Gi or Ti", "write, for example, 64Gi"});
}

void CheckRole(ProcessRole role, const v1::DeploySection& deploy,
               ConfigFaults& faults) {
  const v1::DeployRole& own = ResourcesOf(role, deploy);
  const std::string key = absl::StrCat("deploy.", NameOf(role));
  CheckQuantity(own.memory(), key + ".memory", faults);
  CheckQuantity(own.shared_memory(), key + ".shared_memory", faults);
  if (Mebibytes(own.shared_memory()) > Mebibytes(own.memory())) {
    faults.Add({key + ".shared_memory", own.shared_memory(),
                absl::StrCat("at most ", key, ".memory=", own.memory(),
                             " since it is a part of that"),
                "raise the memory"});
  }
  for (const std::string& label : own.node_selector()) {
    const size_t equals = label.find('=');
    if (equals != 0 && equals != std::string::npos) continue;
    faults.Add({key + ".node_selector", label, "key=value",
                "write, for example, node.kubernetes.io/instance-type=p5"});
  }
}

// "2 learner + 9 rollout + 0 reward".
std::string GpuSum(const v1::RunConfig& config) {
  std::string sum;
  for (const ProcessRole role : kRoles) {
    absl::StrAppend(&sum, sum.empty() ? "" : " + ", GpusOf(role, config), " ",
                    NameOf(role));
  }
  return sum;
}

void CheckGpus(const v1::RunConfig& config, ConfigFaults& faults) {
  const v1::DeploySection& deploy = config.deploy();
  const uint64_t wanted = GpusOf(config);
  const uint64_t there = uint64_t{deploy.nodes()} * deploy.gpus_per_node();
  if (wanted > there) {
    faults.Add({"learner.ranks", absl::StrCat(config.learner().ranks()),
                absl::StrCat("no more than ", there,
                             " GPUs in all (deploy.nodes * "
                             "deploy.gpus_per_node), not ",
                             GpuSum(config)),
                "lower learner.ranks, rollout.workers or "
                "deploy.elastic_workers, or give more nodes"});
  }
  if (config.learner().device() == "cuda" && deploy.learner().gpus() == 0) {
    faults.Add({"deploy.learner.gpus", "0", "1 since learner.device=cuda",
                "set deploy.learner.gpus=1"});
  }
  if (config.rollout().device() == "cuda" && deploy.rollout().gpus() == 0) {
    faults.Add({"deploy.rollout.gpus", "0", "1 since rollout.device=cuda",
                "set deploy.rollout.gpus=1"});
  }
}

void CheckSource(const v1::DeployVolume& volume, const std::string& key,
                 Target target, ConfigFaults& faults) {
  const int sources = !volume.claim().empty() + !volume.host_path().empty() +
                      !volume.size().empty();
  if (sources != 1) {
    faults.Add({key + ".claim", volume.claim(),
                "exactly one of claim, host_path and size",
                "say what is behind the volume"});
  }
  if (target == Target::kCompose) {
    Require(volume.host_path(), key + ".host_path",
            "a folder of this machine since compose has no claims", faults);
  }
  if (!volume.size().empty()) {
    CheckQuantity(volume.size(), key + ".size", faults);
    Require(volume.storage_class(), key + ".storage_class",
            "a storage class since size asks for a new claim", faults);
  }
  if (!volume.host_path().empty() && !absl::StartsWith(volume.host_path(), "/"))
    faults.Add({key + ".host_path", volume.host_path(), "an absolute folder",
                "write it from /"});
}

void CheckFetch(const v1::DeployVolume& volume, const std::string& key,
                Target target, ConfigFaults& faults) {
  if (volume.fetch_image().empty()) {
    if (volume.fetch_command_size() == 0 && volume.fetch_secret().empty())
      return;
    faults.Add({key + ".fetch_image", "",
                "an image since fetch_command or fetch_secret is set",
                "set it, or leave out the others"});
    return;
  }
  if (target != Target::kK8s) {
    faults.Add({key + ".fetch_image", volume.fetch_image(),
                "no value since only Kubernetes runs such a step",
                "fill the folder before, and leave the key out"});
  }
  if (volume.fetch_command_size() == 0) {
    faults.Add({key + ".fetch_command", "", "the command that fills the volume",
                "write, for example, [s5cmd, cp, s3://bucket/*, /data]"});
  }
  if (volume.read_only()) {
    faults.Add({key + ".read_only", "true", "no value since the step writes",
                "leave one of the two out"});
  }
}

void CheckVolumes(const v1::DeploySection& deploy, Target target,
                  ConfigFaults& faults) {
  std::set<std::string> names, paths;
  for (int i = 0; i < deploy.volumes_size(); ++i) {
    const v1::DeployVolume& volume = deploy.volumes(i);
    const std::string key = absl::StrCat("deploy.volumes[", i, "]");
    if (!IsDnsLabel(volume.name(), 20) || !names.insert(volume.name()).second) {
      faults.Add({key + ".name", volume.name(),
                  "a-z, 0-9 and '-', at most 20, used once", "rename it"});
    }
    if (!absl::StartsWith(volume.mount_path(), "/") ||
        !paths.insert(volume.mount_path()).second) {
      faults.Add({key + ".mount_path", volume.mount_path(),
                  "an absolute folder, used once", "write it from /"});
    }
    if (InContainers(target)) CheckSource(volume, key, target, faults);
    CheckFetch(volume, key, target, faults);
  }
}

void CheckPath(const UsedPath& used, const v1::DeploySection& deploy,
               Target target, ConfigFaults& faults) {
  if (!absl::StartsWith(used.path, "/")) {
    faults.Add({used.key, used.path,
                "an absolute path since processes start elsewhere",
                "write it from /"});
    return;
  }
  if (!InContainers(target)) return;
  const v1::DeployVolume* volume = VolumeOf(used.path, deploy);
  if (volume == nullptr) {
    faults.Add({used.key, used.path,
                "a path below the mount_path of one of deploy.volumes",
                "add a volume that holds it"});
  } else if (used.written && volume->read_only()) {
    faults.Add({used.key, used.path,
                absl::StrCat("a volume that is written to, but ",
                             volume->name(), " is read_only"),
                "choose another volume"});
  }
}

void CheckCodeRewards(const v1::RunConfig& config, Target target,
                      ConfigFaults& faults) {
  const v1::RewardSection& reward = config.reward();
  if (reward.scorer() != "code" || reward.endpoints_size() > 0) return;
  if (!InContainers(target)) return;
  if (reward.sandbox().kind() != "runtime-class") {
    faults.Add({"reward.sandbox.kind", reward.sandbox().kind(),
                "runtime-class since a restricted container starts no "
                "namespaces of its own",
                "set it and deploy.reward_runtime_class"});
  }
  Require(config.deploy().reward_runtime_class(), "deploy.reward_runtime_class",
          "a sandboxing runtime such as gvisor since reward.scorer=code",
          faults);
}

void CheckOverlay(const v1::RunConfig& config, ConfigFaults& faults) {
  const v1::DeploySection& deploy = config.deploy();
  const std::string overlay = OverlayOf(config);
  const auto refuse = [&](const std::string& expected, const char* next) {
    faults.Add({"deploy.overlay", overlay, expected, next});
  };
  const uint64_t gpus = GpusOf(config);
  if (overlay == "dev-cpu") {
    if (gpus > 0)
      refuse(
          absl::StrCat("an overlay for GPUs since there are ", GpuSum(config)),
          "leave the key out, or take the GPUs away");
  } else if (overlay == "single-node") {
    if (gpus > deploy.gpus_per_node())
      refuse(absl::StrCat("no more GPUs than one node has (deploy.gpus_per_node"
                          "=",
                          deploy.gpus_per_node(), "), not ", GpuSum(config)),
             "use multi-node-rdma, or fewer processes");
  } else if (overlay == "multi-node-rdma") {
    if (deploy.nodes() < 2)
      refuse("deploy.nodes of 2 or more since it spans machines",
             "use single-node, or raise deploy.nodes");
    if (deploy.learner().gpus() == 0)
      refuse("deploy.learner.gpus=1 since it gives RDMA to the learner's GPUs",
             "set deploy.learner.gpus=1, or deploy.nodes=1");
  } else {
    refuse("dev-cpu or single-node or multi-node-rdma",
           "leave the key out for the one that fits");
  }
}

void CheckQueue(const v1::DeploySection& deploy, ConfigFaults& faults) {
  if (!deploy.queue().empty()) {
    Require(deploy.cluster_queue(), "deploy.cluster_queue",
            "the ClusterQueue whose quota deploy.queue draws on", faults);
  } else if (!deploy.cluster_queue().empty()) {
    Require(deploy.queue(), "deploy.queue",
            "a LocalQueue since deploy.cluster_queue is set", faults);
  }
}

void CheckK8s(const v1::RunConfig& config, ConfigFaults& faults) {
  const v1::DeploySection& deploy = config.deploy();
  if (!IsDnsLabel(config.run().name(), kMaxRunName)) {
    faults.Add({"run.name", config.run().name(),
                "a-z, 0-9 and '-', at most 40, since Pods are named after it",
                "choose such a name"});
  }
  for (const auto& [key, name] :
       {std::pair{"deploy.namespace", deploy.namespace_()},
        std::pair{"deploy.monitoring_namespace",
                  deploy.monitoring_namespace()}}) {
    if (!IsDnsLabel(name))
      faults.Add({key, name, "a-z, 0-9 and '-', at most 63", "rename it"});
  }
  CheckOverlay(config, faults);
  CheckQueue(deploy, faults);
  if (deploy.elastic_workers() > 0 &&
      deploy.elastic_workers() <= config.rollout().workers()) {
    faults.Add(
        {"deploy.elastic_workers", absl::StrCat(deploy.elastic_workers()),
         absl::StrCat("more than rollout.workers=", config.rollout().workers()),
         "raise it, or leave it out for a fixed number"});
  }
}

void CheckSlurm(const v1::DeploySection& deploy, ConfigFaults& faults) {
  Require(deploy.slurm().partition(), "deploy.slurm.partition",
          "the partition of the job", faults);
  if (!IsSlurmTime(deploy.slurm().time_limit())) {
    faults.Add({"deploy.slurm.time_limit", deploy.slurm().time_limit(),
                "HH:MM:SS or D-HH:MM:SS", "write, for example, 24:00:00"});
  }
}

// Calls spread over the addresses of a name; these have none.
void CheckReplicas(const v1::RunConfig& config, Target target,
                   ConfigFaults& faults) {
  const uint32_t servers = ProcessesOf(ProcessRole::kReward, config);
  if (servers <= 1 || target == Target::kK8s || target == Target::kCompose)
    return;
  faults.Add({"deploy.reward_replicas", absl::StrCat(servers),
              "1 since nothing here spreads the calls",
              "raise reward.threads instead"});
}

void CheckTarget(const v1::RunConfig& config, Target target,
                 ConfigFaults& faults) {
  const v1::DeploySection& deploy = config.deploy();
  if (InContainers(target))
    Require(deploy.image(), "deploy.image", "a container image", faults);
  if (target == Target::kK8s) CheckK8s(config, faults);
  if (target == Target::kSlurm) CheckSlurm(deploy, faults);
  CheckReplicas(config, target, faults);
  const bool one_machine =
      target == Target::kCompose || target == Target::kSystemd;
  if (one_machine && deploy.nodes() != 1) {
    faults.Add({"deploy.nodes", absl::StrCat(deploy.nodes()),
                "1 since this starts one machine",
                "use k8s or slurm for several"});
  }
  if (one_machine && config.learner().ranks() > 1) {
    faults.Add({"learner.ranks", absl::StrCat(config.learner().ranks()),
                "1 since this starts one learner process",
                "use k8s or slurm for several"});
  }
}

}  // namespace

absl::Status CheckDeployable(const v1::RunConfig& config, Target target) {
  ConfigFaults faults;
  if (!config.has_deploy()) {
    faults.Add({"deploy", "", "a section that says where the run goes",
                "see docs/howto/kubernetes.md"});
    return faults.ToStatus();
  }
  for (const ProcessRole role : kRoles)
    CheckRole(role, config.deploy(), faults);
  CheckGpus(config, faults);
  CheckVolumes(config.deploy(), target, faults);
  for (const UsedPath& used : UsedPaths(config))
    CheckPath(used, config.deploy(), target, faults);
  CheckTransport(config, target, faults);
  CheckCodeRewards(config, target, faults);
  CheckTarget(config, target, faults);
  return faults.ToStatus();
}

}  // namespace operant::deploy
