#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/deploy/deploy_units.h"
#include "common/deploy/render.h"
#include "common/deploy/role_configs.h"

namespace operant::deploy {
namespace {

using nlohmann::json;

uint64_t Share(uint64_t whole, uint64_t parts) {
  return (whole + parts - 1) / parts;
}

uint64_t MemoryPerCpu(const v1::DeployRole& own) {
  return Share(Mebibytes(own.memory()), own.cpus());
}

json Component(ProcessRole role, const v1::RunConfig& config) {
  const v1::DeployRole& own = ResourcesOf(role, config.deploy());
  return {{"later", role != ProcessRole::kLearner},
          {"tasks", ProcessesOf(role, config)},
          {"cpus", own.cpus()},
          {"mem_per_cpu", MemoryPerCpu(own)},
          {"gpus", own.gpus() > 0 ? absl::StrCat(own.gpus()) : ""}};
}

// The learner's component with room for the reward server: Slurm gives each
// component nodes of its own, which one server is not worth.
json SharedComponent(const v1::RunConfig& config) {
  const v1::DeploySection& deploy = config.deploy();
  json component = Component(ProcessRole::kLearner, config);
  component["cpus"] = deploy.learner().cpus() +
                      Share(deploy.reward().cpus(), config.learner().ranks());
  component["mem_per_cpu"] =
      std::max(MemoryPerCpu(deploy.learner()), MemoryPerCpu(deploy.reward()));
  return component;
}

json SlurmData(const v1::RunConfig& config) {
  const v1::DeploySlurm& slurm = config.deploy().slurm();
  const bool rewards = ProcessesOf(ProcessRole::kReward, config) > 0;
  const bool shared = rewards && config.deploy().reward().gpus() == 0;
  json components = {shared ? SharedComponent(config)
                            : Component(ProcessRole::kLearner, config),
                     Component(ProcessRole::kRollout, config)};
  if (rewards && !shared)
    components.push_back(Component(ProcessRole::kReward, config));
  const std::string log =
      JoinPath(config.run().root(), config.run().name() + "-slurm-");
  return {{"run", config.run().name()},
          {"output", log + "%j.log"},
          {"output_shown", log + "JOB.log"},
          {"partition", slurm.partition()},
          {"account", slurm.account()},
          {"qos", slurm.qos()},
          {"time_limit", slurm.time_limit()},
          {"signal_seconds", slurm.signal_seconds()},
          {"program", config.deploy().program()},
          {"components", components},
          {"has_rewards", rewards},
          {"reward_shares", shared},
          {"reward_group", shared ? 0 : 2},
          {"learner_cpus", config.deploy().learner().cpus()},
          {"rollout_cpus", config.deploy().rollout().cpus()},
          {"reward_cpus", config.deploy().reward().cpus()},
          {"drain_seconds", kDrainSeconds},
          {"ranks", config.learner().ranks()},
          {"one_rank", config.learner().ranks() == 1},
          {"several_ranks", config.learner().ranks() > 1}};
}

}  // namespace

absl::StatusOr<Files> RenderSlurm(const v1::RunConfig& config) {
  const json data = SlurmData(config);
  Files files;
  for (const char* name : {"run.sbatch", "README.md"})
    RETURN_IF_ERROR(
        AddRendered(name, absl::StrCat("slurm/", name), data, files));
  for (const ProcessRole role :
       {ProcessRole::kLearner, ProcessRole::kRollout, ProcessRole::kReward}) {
    if (ProcessesOf(role, config) == 0) continue;
    files[absl::StrCat("config/", NameOf(role), ".yaml")] =
        RoleConfig(role, config, {});
  }
  return files;
}

}  // namespace operant::deploy
