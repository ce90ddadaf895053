#include <string>
#include <vector>

#include "absl/strings/match.h"
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

// The learner's HTTP port is the documented one; the others' are free ones, and
// /sd tells them.
std::vector<std::string> Command(ProcessRole role,
                                 const v1::RunConfig& config) {
  const bool learner = role == ProcessRole::kLearner;
  const int port = role == ProcessRole::kRollout ? 0 : PortOf(role);
  std::vector<std::string> command =
      RoleCommand(role, config,
                  {.config = absl::StrCat("/etc/operant/", config.run().name(),
                                          "/", NameOf(role), ".yaml"),
                   .listen = absl::StrCat("127.0.0.1:", port),
                   .http = absl::StrCat("127.0.0.1:", learner ? kHttpPort : 0),
                   .coordinator = absl::StrCat("127.0.0.1:", kLearnerPort),
                   .advertise = "",
                   .worker_id = "",
                   .rank = ""});
  command.insert(command.begin(), config.deploy().program());
  return command;
}

std::string UnitOf(ProcessRole role, const v1::RunConfig& config) {
  const std::string stem =
      absl::StrCat("operant-", config.run().name(), "-", NameOf(role));
  return stem + (role == ProcessRole::kRollout ? "@.service" : ".service");
}

json Paths(ProcessRole role, bool written, const v1::RunConfig& config) {
  json paths = json::array();
  for (const UsedPath& used : UsedPaths(config)) {
    const bool mine = role == ProcessRole::kLearner
                          ? used.learner
                          : role == ProcessRole::kReward && used.reward;
    if (mine && used.written == written) paths.push_back(used.path);
  }
  return paths;
}

// Files below /home are wanted, or nothing there is seen.
const char* ProtectHome(const v1::RunConfig& config) {
  for (const UsedPath& used : UsedPaths(config)) {
    for (const char* home : {"/home", "/root", "/run/user"}) {
      if (IsBelow(used.path, home)) return "read-only";
    }
  }
  return "yes";
}

json UnitData(ProcessRole role, const v1::RunConfig& config) {
  const v1::DeployRole& own = ResourcesOf(role, config.deploy());
  const bool outside =
      role != ProcessRole::kRollout &&
      !OutsidePorts(config, role == ProcessRole::kLearner).empty();
  return {{"run", config.run().name()},
          {"user", config.deploy().user()},
          {"target", absl::StrCat("operant-", config.run().name(), ".target")},
          {"reward_unit", ProcessesOf(ProcessRole::kReward, config) > 0
                              ? UnitOf(ProcessRole::kReward, config)
                              : ""},
          {"command", Command(role, config)},
          {"grace", GraceSeconds(role, config)},
          {"mem_mib", Mebibytes(own.memory())},
          {"cpu_quota", own.cpus() * 100},
          {"gpus", own.gpus() > 0},
          {"read_paths", Paths(role, false, config)},
          {"write_paths", Paths(role, true, config)},
          {"protect_home", ProtectHome(config)},
          {"loopback", !outside}};
}

json TargetData(const v1::RunConfig& config) {
  std::vector<std::string> units;
  for (const ProcessRole role : kRoles) {
    const uint32_t processes = ProcessesOf(role, config);
    if (role != ProcessRole::kRollout) {
      if (processes > 0) units.push_back(UnitOf(role, config));
      continue;
    }
    for (uint32_t i = 0; i < processes; ++i)
      units.push_back(absl::StrCat("operant-", config.run().name(), "-rollout@",
                                   i, ".service"));
  }
  return {{"run", config.run().name()},
          {"user", config.deploy().user()},
          {"root", config.run().root()},
          {"target", absl::StrCat("operant-", config.run().name(), ".target")},
          {"units", units}};
}

}  // namespace

absl::StatusOr<Files> RenderSystemd(const v1::RunConfig& config) {
  Files files;
  const json target = TargetData(config);
  RETURN_IF_ERROR(
      AddRendered(target["target"], "systemd/target", target, files));
  RETURN_IF_ERROR(AddRendered("README.md", "systemd/README.md", target, files));
  const Placement placement = {.reward_address =
                                   absl::StrCat("127.0.0.1:", kRewardPort)};
  for (const ProcessRole role : kRoles) {
    if (ProcessesOf(role, config) == 0) continue;
    RETURN_IF_ERROR(
        AddRendered(UnitOf(role, config),
                    absl::StrCat("systemd/", NameOf(role), ".service"),
                    UnitData(role, config), files));
    files[absl::StrCat("config/", NameOf(role), ".yaml")] =
        RoleConfig(role, config, placement);
  }
  return files;
}

}  // namespace operant::deploy
