#include "common/deploy/network_edges.h"

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/address.h"
#include "common/deploy/deployment.h"

namespace operant::deploy {
namespace {

using nlohmann::json;

// "http://host:8000/v1" -> 8000.
int UrlPort(const std::string& url) {
  const bool tls = absl::StartsWith(url, "https://");
  absl::string_view rest = url;
  if (!absl::ConsumePrefix(&rest, "https://"))
    absl::ConsumePrefix(&rest, "http://");
  const std::string host = std::vector<std::string>(
      absl::StrSplit(rest, absl::MaxSplits('/', 1)))[0];
  const auto parsed = ParseHostPort(host);
  if (parsed.ok()) return parsed->port;
  return tls ? 443 : 80;
}

json Edge(const char* kind, const json& value, std::vector<int> ports) {
  json edge = {{"roles", json::array()},
               {"monitoring", false},
               {"dns", false},
               {"outside", false},
               {"ports", std::move(ports)}};
  edge[kind] = value;
  return edge;
}

json Peers(std::vector<std::string> roles, std::vector<int> ports) {
  return Edge("roles", roles, std::move(ports));
}

json LearnerRules(const v1::RunConfig& config) {
  const bool builtin = ProcessesOf(ProcessRole::kReward, config) > 0;
  json in = {Peers({"rollout"}, {kLearnerPort})};
  json out = {Peers({"rollout"}, {kRolloutPort}), Edge("dns", true, {53})};
  if (builtin) out.push_back(Peers({"reward"}, {kRewardPort}));
  if (config.learner().ranks() > 1) {  // NCCL and Gloo choose their ports
    in.push_back(Peers({"learner"}, {}));
    out.push_back(Peers({"learner"}, {}));
  }
  const std::vector<int> outside = OutsidePorts(config, true);
  if (!outside.empty()) out.push_back(Edge("outside", true, outside));
  return {{"role", "learner"}, {"ingress", in}, {"egress", out}};
}

json RolloutRules() {
  return {{"role", "rollout"},
          {"ingress", {Peers({"learner", "rollout"}, {kRolloutPort})}},
          {"egress",
           {Peers({"learner"}, {kLearnerPort}),
            Peers({"rollout"}, {kRolloutPort}), Edge("dns", true, {53})}}};
}

json RewardRules(const v1::RunConfig& config) {
  json out = json::array();
  const std::vector<int> outside = OutsidePorts(config, false);
  if (!outside.empty()) {
    out.push_back(Edge("outside", true, outside));
    out.push_back(Edge("dns", true, {53}));
  }
  return {{"role", "reward"},
          {"ingress", {Peers({"learner"}, {kRewardPort})}},
          {"egress", out}};
}

bool Fetches(const v1::RunConfig& config) {
  return std::any_of(config.deploy().volumes().begin(),
                     config.deploy().volumes().end(),
                     [](const auto& v) { return !v.fetch_image().empty(); });
}

}  // namespace

std::vector<int> OutsidePorts(const v1::RunConfig& config, bool learner) {
  const v1::RewardSection& reward = config.reward();
  std::vector<int> ports;
  if (learner) {
    for (const v1::RewardEndpoint& endpoint : reward.endpoints()) {
      const auto address = ParseTarget(endpoint.address());
      if (address.ok()) ports.push_back(address->port);
    }
  } else if (reward.scorer() == "judge" || reward.scorer() == "pairwise") {
    ports.push_back(UrlPort(reward.judge().url()));
  }
  std::sort(ports.begin(), ports.end());
  ports.erase(std::unique(ports.begin(), ports.end()), ports.end());
  return ports;
}

json NetworkEdges(const v1::RunConfig& config) {
  json roles = {LearnerRules(config)};
  if (ProcessesOf(ProcessRole::kRollout, config) > 0)
    roles.push_back(RolloutRules());
  if (ProcessesOf(ProcessRole::kReward, config) > 0)
    roles.push_back(RewardRules(config));
  for (json& role : roles) {
    role["ingress"].push_back(Edge("monitoring", true, {kHttpPort}));
  }
  if (Fetches(config)) {
    roles.push_back(
        {{"role", "fetch"},
         {"ingress", json::array()},
         {"egress", {Edge("dns", true, {53}), Edge("outside", true, {443})}}});
  }
  return roles;
}

}  // namespace operant::deploy
