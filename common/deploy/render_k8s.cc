#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/base/status_macros.h"
#include "common/deploy/deploy_paths.h"
#include "common/deploy/network_edges.h"
#include "common/deploy/render.h"
#include "common/deploy/role_command.h"
#include "common/deploy/role_configs.h"

namespace operant::deploy {
namespace {

using nlohmann::json;

constexpr ProcessRole kRoles[] = {ProcessRole::kLearner, ProcessRole::kRollout,
                                  ProcessRole::kReward};

// Collects the data of all templates of one run.
class K8s {
 public:
  explicit K8s(const v1::RunConfig& config)
      : config_(config),
        deploy_(config.deploy()),
        run_(config.run().name()),
        overlay_(OverlayOf(config)) {}

  absl::StatusOr<Files> Render() {
    const json data = Data();
    Files files;
    for (const std::string& path : Templates(data)) {
      RETURN_IF_ERROR(AddRendered(path, "k8s/" + path, data, files));
    }
    for (const ProcessRole role : Running()) {
      files[absl::StrCat("base/config/", NameOf(role), ".yaml")] =
          RoleConfig(role, config_, Placed());
    }
    ASSIGN_OR_RETURN(files["components/monitoring/operant.json"],
                     DeployFile("grafana/operant.json"));
    return files;
  }

 private:
  std::vector<ProcessRole> Running() const {
    std::vector<ProcessRole> roles;
    for (const ProcessRole role : kRoles) {
      if (ProcessesOf(role, config_) > 0) roles.push_back(role);
    }
    return roles;
  }

  bool Elastic() const { return deploy_.elastic_workers() > 0; }
  bool RunsCode() const { return !deploy_.reward_runtime_class().empty(); }

  Placement Placed() const {
    return {.reward_address =
                absl::StrCat("dns:///", run_, "-reward:", kRewardPort),
            .tls = deploy_.tls_issuer().empty()
                       ? Placement::Tls::kMounted
                       : Placement::Tls::kMountedByIssuer};
  }

  // "" for what is mounted from elsewhere than a claim.
  std::string ClaimOf(const v1::DeployVolume& volume) const {
    if (!volume.size().empty()) return absl::StrCat(run_, "-", volume.name());
    return volume.claim();
  }

  // Whether the role sees the volume: learners all, reward servers those with
  // files that they read, workers none.
  bool Mounts(ProcessRole role, const v1::DeployVolume& volume) const {
    if (role == ProcessRole::kLearner) return true;
    if (role == ProcessRole::kRollout) return false;
    for (const UsedPath& used : UsedPaths(config_)) {
      const v1::DeployVolume* holder = VolumeOf(used.path, deploy_);
      if (used.reward && holder && holder->name() == volume.name()) return true;
    }
    return false;
  }

  json VolumesOf(ProcessRole role) const {
    json volumes = json::array();
    for (const v1::DeployVolume& volume : deploy_.volumes()) {
      if (!Mounts(role, volume)) continue;
      volumes.push_back(
          {{"name", volume.name()},
           {"mount_path", volume.mount_path()},
           {"read_only", volume.read_only() || role == ProcessRole::kReward},
           {"claim", ClaimOf(volume)},
           {"host_path", volume.host_path()}});
    }
    return volumes;
  }

  json NewClaims() const {
    json claims = json::array();
    for (const v1::DeployVolume& volume : deploy_.volumes()) {
      if (volume.size().empty()) continue;
      const bool shared =
          config_.learner().ranks() > 1 || Mounts(ProcessRole::kReward, volume);
      claims.push_back(
          {{"claim", ClaimOf(volume)},
           {"size", volume.size()},
           {"storage_class", volume.storage_class()},
           {"access_mode", shared ? "ReadWriteMany" : "ReadWriteOnce"}});
    }
    return claims;
  }

  // Null: no volume is filled first.
  json Fetch() const {
    json steps = json::array();
    for (const v1::DeployVolume& volume : deploy_.volumes()) {
      if (volume.fetch_image().empty()) continue;
      json command = json::array();
      for (const std::string& part : volume.fetch_command())
        command.push_back(part);
      steps.push_back({{"name", volume.name()},
                       {"image", volume.fetch_image()},
                       {"command", command},
                       {"secret", volume.fetch_secret()},
                       {"mount_path", volume.mount_path()},
                       {"claim", ClaimOf(volume)},
                       {"host_path", volume.host_path()}});
    }
    return steps.empty() ? json() : json{{"steps", steps}};
  }

  json Arguments(ProcessRole role) const {
    const std::string learner = absl::StrCat(run_, "-learner");
    // Ranks meet at the name that JobSet gives rank 0.
    const std::string rank0 =
        absl::StrCat(run_, "-learner-0-0.", run_, ":", kLearnerPort);
    return RoleCommand(
        role, config_,
        {.config = absl::StrCat(kConfigFolder, "/", NameOf(role), ".yaml"),
         .listen = absl::StrCat("0.0.0.0:", PortOf(role)),
         .http = absl::StrCat("0.0.0.0:", kHttpPort),
         .coordinator = role == ProcessRole::kLearner
                            ? rank0
                            : absl::StrCat(learner, ":", kLearnerPort),
         .advertise = absl::StrCat("$(POD_IP):", kRolloutPort),
         .worker_id = "$(POD_NAME)",
         .rank = "$(JOB_COMPLETION_INDEX)"});
  }

  static json Selector(const v1::DeployRole& own) {
    json selector = json::array();
    for (const std::string& label : own.node_selector()) {
      const size_t equals = label.find('=');
      selector.push_back({{"key", label.substr(0, equals)},
                          {"value", label.substr(equals + 1)}});
    }
    return selector;
  }

  json Pod(ProcessRole role, const char* restart_policy) const {
    const v1::DeployRole& own = ResourcesOf(role, deploy_);
    const json selector = Selector(own);
    return {{"role", NameOf(role)},
            {"processes", ProcessesOf(role, config_)},
            {"restart_policy", restart_policy},
            {"queue_label",
             restart_policy == std::string("Always") ? deploy_.queue() : ""},
            {"grace", GraceSeconds(role, config_)},
            {"has_selector", !selector.empty()},
            {"selector", selector},
            {"gpus", own.gpus() > 0 ? absl::StrCat(own.gpus()) : ""},
            {"args", Arguments(role)},
            {"port", PortOf(role)},
            {"cpus", absl::StrCat(own.cpus())},
            {"memory", own.memory()},
            {"shared_memory", own.shared_memory()},
            {"leaves_dns_first", role == ProcessRole::kReward},
            {"volumes", VolumesOf(role)},
            {"identity",
             absl::StrCat("spiffe://", config_.security().trust_domain(), "/",
                          run_, "/", NameOf(role), "/", NameOf(role))}};
  }

  json Jobs(bool fetches) const {
    json jobs = json::array();
    for (const ProcessRole role : Running()) {
      jobs.push_back(Pod(role, "Never"));
      jobs.back()["index"] = jobs.size() - 1 + (fetches ? 1 : 0);
    }
    return jobs;
  }

  // The learner's all, of workers and reward servers half.
  json Budgets() const {
    json budgets = json::array();
    for (const ProcessRole role : Running()) {
      const uint32_t processes = ProcessesOf(role, config_);
      budgets.push_back(
          {{"role", NameOf(role)},
           {"min_available",
            role == ProcessRole::kLearner ? processes : (processes + 1) / 2}});
    }
    return budgets;
  }

  json Nccl() const {
    const v1::DeployNetwork& network = deploy_.network();
    return {{{"name", "NCCL_SOCKET_IFNAME"}, {"value", network.interface()}},
            {{"name", "NCCL_IB_HCA"}, {"value", network.hca()}},
            {{"name", "NCCL_IB_GID_INDEX"},
             {"value", absl::StrCat(network.gid_index())}},
            {{"name", "NCCL_NET_GDR_LEVEL"}, {"value", "PHB"}}};
  }

  json Components() const {
    json components = {"network-policy", "monitoring"};
    if (!deploy_.tls_issuer().empty()) components.push_back("certificates");
    if (RunsCode()) components.push_back("code-rewards");
    return components;
  }

  json Secrets() const {
    json secrets = json::array();
    if (!deploy_.tls_issuer().empty()) return secrets;
    for (const ProcessRole role : Running()) {
      json keys = {"ca.crt", absl::StrCat(NameOf(role), ".pem")};
      if (role != ProcessRole::kReward &&
          !config_.security().token_file().empty())
        keys.push_back("token");
      secrets.push_back(
          {{"secret", absl::StrCat(deploy_.tls_secret(), "-", NameOf(role))},
           {"keys", keys}});
    }
    return secrets;
  }

  // Host paths and IPC_LOCK are not allowed under "restricted".
  const char* PodSecurity() const {
    const bool host =
        std::any_of(deploy_.volumes().begin(), deploy_.volumes().end(),
                    [](const auto& v) { return !v.host_path().empty(); });
    return host || overlay_ == "multi-node-rdma" ? "privileged" : "restricted";
  }

  json Edges() const {
    json edges = NetworkEdges(config_);
    for (json& role : edges) {
      for (const char* way : {"ingress", "egress"}) {
        for (json& edge : role[way]) {
          edge["has_roles"] = !edge["roles"].empty();
          edge["has_ports"] = !edge["ports"].empty();
        }
      }
    }
    return edges;
  }

  // The shipped rules as the groups of a PrometheusRule.
  static std::string Groups() {
    std::string groups;
    for (const char* file : {"recording", "alerts"}) {
      const auto text =
          DeployFile(absl::StrCat("prometheus/rules/", file, ".yaml"));
      const std::string body = text.value_or("");
      const size_t begin = body.find("\ngroups:\n");
      if (begin == std::string::npos) continue;
      groups +=
          absl::StrReplaceAll("\n" + body.substr(begin + 9), {{"\n  ", "\n"}})
              .substr(1);
    }
    return groups;
  }

  json Data() const {
    const json fetch = Fetch();
    const json jobs = Jobs(!fetch.is_null());
    const bool gone = Elastic();  // the workers' job, when the reward's is
    json names = json::array();
    for (const ProcessRole role : Running()) names.push_back(NameOf(role));
    json pull_secrets = json::array();
    for (const std::string& secret : deploy_.image_pull_secrets())
      pull_secrets.push_back(secret);
    const json claims = NewClaims();
    const std::string below_kueue =
        absl::StrCat("../", Elastic() ? "elastic" : overlay_);
    const int first = fetch.is_null() ? 0 : 1;
    const bool workers = ProcessesOf(ProcessRole::kRollout, config_) > 0;
    return {{"run", run_},
            {"namespace", deploy_.namespace_()},
            {"pod_security", PodSecurity()},
            {"image", deploy_.image()},
            {"has_pull_secrets", !pull_secrets.empty()},
            {"image_pull_secrets", pull_secrets},
            {"program", kProgram},
            {"config_folder", kConfigFolder},
            {"tls_folder", kTlsFolder},
            {"tls_secret", deploy_.tls_secret()},
            {"tls_issuer", deploy_.tls_issuer()},
            {"learner_port", kLearnerPort},
            {"reward_port", kRewardPort},
            {"http_port", kHttpPort},
            {"monitoring_namespace", deploy_.monitoring_namespace()},
            {"fetch", fetch},
            {"jobs", jobs},
            {"learner_index", first},
            {"rollout_index", first + 1},
            {"reward_index_now", first + (workers && !gone ? 2 : 1)},
            {"has_rewards", ProcessesOf(ProcessRole::kReward, config_) > 0},
            {"budgets", Budgets()},
            {"has_new_claims", !claims.empty()},
            {"new_claims", claims},
            {"configs", names},
            {"overlay", overlay_},
            {"top", "overlays/" + Top()},
            {"below_kueue", below_kueue},
            {"components", Components()},
            {"queue", deploy_.queue()},
            {"cluster_queue", deploy_.cluster_queue()},
            {"workers", config_.rollout().workers()},
            {"elastic_workers", deploy_.elastic_workers()},
            {"elastic_pod",
             workers ? Pod(ProcessRole::kRollout, "Always") : json()},
            {"rdma_path",  // a JSON pointer: its "/" is written "~1"
             absl::StrCat("/spec/replicatedJobs/", first,
                          "/template/spec/template/spec/containers/0/resources/"
                          "limits/",
                          absl::StrReplaceAll(deploy_.network().rdma_resource(),
                                              {{"/", "~1"}}))},
            {"nccl", Nccl()},
            {"reward_runtime_class", deploy_.reward_runtime_class()},
            {"edges", Edges()},
            {"groups", Groups()},
            {"secrets", Secrets()}};
  }

  // The outermost overlay: placement, then elastic, then kueue.
  std::string Top() const {
    if (!deploy_.queue().empty()) return "kueue";
    return Elastic() ? "elastic" : overlay_;
  }

  std::vector<std::string> Templates(const json& data) const {
    std::vector<std::string> paths = {
        "README.md",
        "kustomization.yaml",
        "base/kustomization.yaml",
        "base/jobset.yaml",
        "base/services.yaml",
        "base/pdb.yaml",
        "base/namespace.yaml",
        "components/network-policy/kustomization.yaml",
        "components/network-policy/network-policy.yaml",
        "components/monitoring/kustomization.yaml",
        "components/monitoring/podmonitor.yaml",
        "components/monitoring/rules.yaml",
        absl::StrCat("overlays/", overlay_, "/kustomization.yaml")};
    const auto add = [&paths](bool needed,
                              std::initializer_list<const char*> more) {
      if (needed) paths.insert(paths.end(), more.begin(), more.end());
    };
    add(data["has_new_claims"], {"base/pvc.yaml"});
    add(!deploy_.tls_issuer().empty(),
        {"components/certificates/kustomization.yaml",
         "components/certificates/certificates.yaml"});
    add(RunsCode(), {"components/code-rewards/kustomization.yaml"});
    add(Elastic(),
        {"overlays/elastic/kustomization.yaml", "overlays/elastic/hpa.yaml",
         "overlays/elastic/rollout.yaml"});
    add(!deploy_.queue().empty(),
        {"overlays/kueue/kustomization.yaml", "overlays/kueue/queue.yaml"});
    return paths;
  }

  const v1::RunConfig& config_;
  const v1::DeploySection& deploy_;
  const std::string run_;
  const std::string overlay_;
};

}  // namespace

absl::StatusOr<Files> RenderK8s(const v1::RunConfig& config) {
  return K8s(config).Render();
}

}  // namespace operant::deploy
