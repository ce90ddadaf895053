#include "cli/doctor_cluster.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "common/base/address.h"
#include "common/base/status_macros.h"
#include "common/run/machine_report.h"
#include "common/run/peer_reach.h"

namespace operant::cli {
namespace {

// Within a cluster, silence for so long is a closed door.
constexpr absl::Duration kReachTimeout = absl::Seconds(2);

void Print(const std::string& name, const std::string& text) {
  std::array<char, 256> host = {};
  gethostname(host.data(), host.size() - 1);
  std::printf("%s  %-7s %s\n", host.data(), name.c_str(), text.c_str());
}

std::vector<std::string> WithRewardServers(const v1::RunConfig& config,
                                           std::vector<std::string> peers) {
  for (const v1::RewardEndpoint& endpoint : config.reward().endpoints()) {
    if (!endpoint.address().empty())
      peers.emplace_back(absl::StripPrefix(endpoint.address(), "dns:///"));
  }
  return peers;
}

}  // namespace

absl::StatusOr<ExitCode> ExamineCluster(const v1::RunConfig& config,
                                        const std::vector<std::string>& peers) {
  std::vector<HostPort> dialled;
  for (const std::string& peer : WithRewardServers(config, peers)) {
    ASSIGN_OR_RETURN(const HostPort address, ParseHostPort(peer));
    dialled.push_back(address);
  }
  for (const ReportLine& line : DescribeMachine(
           "", [](const char* name) { return std::getenv(name); })) {
    Print(line.name, line.text);
  }
  ExitCode code = ExitCode::kDone;
  for (const HostPort& peer : dialled) {
    const absl::StatusOr<std::string> reached = Reach(peer, kReachTimeout);
    Print("peer", reached.ok()
                      ? peer.ToString() + " " + *reached
                      : "WRONG " + std::string(reached.status().message()));
    if (!reached.ok()) code = ExitCode::kResumable;
  }
  return code;
}

}  // namespace operant::cli
