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

json Component(ProcessRole role, const v1::RunConfig& config) {
  const v1::DeployRole& own = ResourcesOf(role, config.deploy());
  const uint64_t cpus = own.cpus();
  return {{"later", role != ProcessRole::kLearner},
          {"tasks", ProcessesOf(role, config)},
          {"cpus", cpus},
          {"mem_per_cpu", (Mebibytes(own.memory()) + cpus - 1) / cpus},
          {"gpus", own.gpus() > 0 ? absl::StrCat(own.gpus()) : ""}};
}

json SlurmData(const v1::RunConfig& config) {
  const v1::DeploySlurm& slurm = config.deploy().slurm();
  json components = {Component(ProcessRole::kLearner, config),
                     Component(ProcessRole::kRollout, config)};
  const bool rewards = ProcessesOf(ProcessRole::kReward, config) > 0;
  if (rewards) components.push_back(Component(ProcessRole::kReward, config));
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
