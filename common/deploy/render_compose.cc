#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/deploy/deploy_paths.h"
#include "common/deploy/deploy_units.h"
#include "common/deploy/network_edges.h"
#include "common/deploy/render.h"
#include "common/deploy/role_command.h"
#include "common/deploy/role_configs.h"

namespace operant::deploy {
namespace {

using nlohmann::json;

constexpr ProcessRole kRoles[] = {ProcessRole::kLearner, ProcessRole::kRollout,
                                  ProcessRole::kReward};

json VolumesOf(ProcessRole role, const v1::RunConfig& config) {
  json volumes = json::array();
  for (const v1::DeployVolume& volume : config.deploy().volumes()) {
    bool needed = role == ProcessRole::kLearner;
    for (const UsedPath& used : UsedPaths(config)) {
      needed |= role == ProcessRole::kReward && used.reward &&
                VolumeOf(used.path, config.deploy()) == &volume;
    }
    if (!needed) continue;
    volumes.push_back(
        {{"host_path", volume.host_path()},
         {"mount_path", volume.mount_path()},
         {"read_only", volume.read_only() || role == ProcessRole::kReward}});
  }
  return volumes;
}

// One by one: a folder of certificates holds the other roles' keys, too.
json TlsFiles(ProcessRole role, const v1::RunConfig& config) {
  const v1::SecuritySection& security = config.security();
  json files = json::array();
  const auto add = [&files](const std::string& source, const char* name) {
    files.push_back(
        {{"source", source}, {"target", absl::StrCat(kTlsFolder, "/", name)}});
  };
  const std::string pem = NameOf(role) + ".pem";
  add(absl::StrCat(security.certs(), "/ca.crt"), "ca.crt");
  add(absl::StrCat(security.certs(), "/", pem), pem.c_str());
  if (role != ProcessRole::kReward && !security.token_file().empty())
    add(security.token_file(), "token");
  return files;
}

json Networks(ProcessRole role, const v1::RunConfig& config) {
  json networks = json::array();
  if (role != ProcessRole::kReward)
    networks.push_back({{"name", "learner-rollout"}, {"alias", ""}});
  const bool rewards = ProcessesOf(ProcessRole::kReward, config) > 0;
  if (role == ProcessRole::kReward) {
    networks.push_back({{"name", "learner-reward"}, {"alias", "rewards"}});
  } else if (role == ProcessRole::kLearner && rewards) {
    networks.push_back({{"name", "learner-reward"}, {"alias", ""}});
  }
  if (role != ProcessRole::kRollout &&
      !OutsidePorts(config, role == ProcessRole::kLearner).empty()) {
    networks.push_back({{"name", "outside"}, {"alias", ""}});
  }
  return networks;
}

json Service(ProcessRole role, const std::string& name, uint32_t gpu_id,
             const v1::RunConfig& config) {
  const v1::DeployRole& own = ResourcesOf(role, config.deploy());
  const std::vector<std::string> args = RoleCommand(
      role, config,
      {.config = absl::StrCat(kConfigFolder, "/", NameOf(role), ".yaml"),
       .listen = absl::StrCat("0.0.0.0:", PortOf(role)),
       .http = absl::StrCat("0.0.0.0:", kHttpPort),
       .coordinator = absl::StrCat("learner:", kLearnerPort),
       .advertise = absl::StrCat(name, ":", kRolloutPort),
       .worker_id = name,
       .rank = ""});
  return {{"service", name},
          {"role", NameOf(role)},
          {"args", args},
          {"networks", Networks(role, config)},
          {"shm_mib", Mebibytes(own.shared_memory())},
          {"mem_mib", Mebibytes(own.memory())},
          {"cpus", own.cpus()},
          {"gpus", own.gpus() > 0},
          {"gpu_id", absl::StrCat(gpu_id)},
          {"tls_files", TlsFiles(role, config)},
          {"volumes", VolumesOf(role, config)},
          {"grace", GraceSeconds(role, config)}};
}

json ComposeData(const v1::RunConfig& config) {
  json services = json::array();
  uint32_t gpu = 0;
  for (const ProcessRole role : kRoles) {
    for (uint32_t i = 0; i < ProcessesOf(role, config); ++i) {
      const std::string name = role == ProcessRole::kLearner
                                   ? NameOf(role)
                                   : absl::StrCat(NameOf(role), "-", i);
      services.push_back(Service(role, name, gpu, config));
      gpu += ResourcesOf(role, config.deploy()).gpus();
    }
  }
  const bool outside = !OutsidePorts(config, true).empty() ||
                       !OutsidePorts(config, false).empty();
  return {{"run", config.run().name()},
          {"root", config.run().root()},
          {"image", config.deploy().image()},
          {"program", kProgram},
          {"config_folder", kConfigFolder},
          {"http_port", kHttpPort},
          {"services", services},
          {"has_rewards", ProcessesOf(ProcessRole::kReward, config) > 0},
          {"outside", outside}};
}

}  // namespace

absl::StatusOr<Files> RenderCompose(const v1::RunConfig& config) {
  const json data = ComposeData(config);
  Files files;
  for (const char* name : {"compose.yaml", "README.md"})
    RETURN_IF_ERROR(
        AddRendered(name, absl::StrCat("compose/", name), data, files));
  const Placement placement = {
      .reward_address = absl::StrCat("dns:///rewards:", kRewardPort),
      .tls = Placement::Tls::kMounted};
  for (const ProcessRole role : kRoles) {
    if (ProcessesOf(role, config) == 0) continue;
    files[absl::StrCat("config/", NameOf(role), ".yaml")] =
        RoleConfig(role, config, placement);
  }
  return files;
}

}  // namespace operant::deploy
