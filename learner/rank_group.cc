#include "learner/rank_group.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/base/address.h"
#include "common/base/build_name.h"
#include "common/base/config.h"
#include "common/base/status_macros.h"
#include "common/nn/inference_model.h"
#include "learner/collective_metrics.h"

namespace operant::learner {
namespace {

std::string HostName() {
  std::array<char, 256> name = {};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data()
                                                        : "unknown host";
}

absl::Status NoWayTo(const std::string& peer, const char* why) {
  return absl::UnavailableError(
      absl::StrCat("ranks cannot meet: coordinator=", peer, ": ", why,
                   "; give rank 0's address as this machine reaches it"));
}

// The address that a datagram socket towards `target` is bound to; nothing is
// sent.
absl::StatusOr<std::string> BoundTowards(const addrinfo& target,
                                         const std::string& peer) {
  const int fd = socket(target.ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return NoWayTo(peer, "no socket");
  const absl::Cleanup close_it = [fd] { close(fd); };
  sockaddr_storage local = {};
  socklen_t size = sizeof(local);
  std::array<char, NI_MAXHOST> host = {};
  if (connect(fd, target.ai_addr, target.ai_addrlen) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) != 0 ||
      getnameinfo(reinterpret_cast<sockaddr*>(&local), size, host.data(),
                  host.size(), nullptr, 0, NI_NUMERICHOST) != 0) {
    return NoWayTo(peer, "no route");
  }
  return std::string(host.data());
}

}  // namespace

RankIdentity ThisRank(const v1::RunConfig& config, int rank,
                      const std::string& model_digest) {
  return {.rank = rank,
          .host = HostName(),
          .process_id = getpid(),
          .world_size = static_cast<int>(config.learner().ranks()),
          .run_id = config.run().name(),
          .build = BuildName(),
          .model_digest = model_digest,
          .config_yaml = RankConfigYaml(config)};
}

std::string RankConfigYaml(const v1::RunConfig& config) {
  v1::RunConfig shared;
  shared.mutable_run()->set_seed(config.run().seed());
  shared.mutable_run()->set_deterministic(config.run().deterministic());
  *shared.mutable_ppo() = config.ppo();
  *shared.mutable_learner() = config.learner();
  shared.mutable_learner()->clear_listen();
  shared.mutable_learner()->clear_trace();
  shared.mutable_rollout()->set_temperature(config.rollout().temperature());
  return ConfigToYaml(shared);
}

RankRoster::Limits RosterLimits(const v1::LearnerSection& learner) {
  return {.silence = absl::Milliseconds(learner.collective_timeout_ms())};
}

absl::StatusOr<std::string> RankCollective(const v1::LearnerSection& learner) {
  ASSIGN_OR_RETURN(const Device device, ParseDevice(learner.device()));
  const bool on_gpu = device == Device::kCuda;
  const int size = static_cast<int>(learner.ranks());
  RETURN_IF_ERROR(CheckCollective(learner.collective(), on_gpu, size));
  return CollectiveName(learner.collective(), on_gpu, size);
}

absl::StatusOr<std::string> LocalHostTowards(const std::string& peer) {
  ASSIGN_OR_RETURN(const HostPort address, ParseHostPort(peer));
  addrinfo hints = {};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(address.host.c_str(), absl::StrCat(address.port).c_str(),
                  &hints, &found) != 0) {
    return NoWayTo(peer, "no such name");
  }
  const absl::Cleanup free_it = [found] { freeaddrinfo(found); };
  return BoundTowards(*found, peer);
}

absl::StatusOr<std::unique_ptr<TraceWriter>> OpenTrace(
    const v1::LearnerSection& learner, int rank) {
  if (learner.trace().empty()) return nullptr;
  return TraceWriter::Open(learner.trace(), rank);
}

std::function<void(const ExchangeSpan&)> ObserveExchanges(
    MetricRegistry* metrics, TraceWriter* trace) {
  return [metrics, trace](const ExchangeSpan& span) {
    ExportExchange(span, metrics);
    if (trace == nullptr) return;
    trace->Add(TraceWriter::Lane::kExchange,
               absl::StrCat(span.operation, " of ", span.what), span.begin,
               span.end);
  };
}

absl::StatusOr<std::unique_ptr<Collective>> MeetRanks(
    const v1::LearnerSection& learner, int rank, const std::string& group,
    const std::string& host, Rendezvous* rendezvous,
    std::function<void(const ExchangeSpan&)> observe) {
  ASSIGN_OR_RETURN(const Device device, ParseDevice(learner.device()));
  return CreateCollective(
      learner.collective(), device == Device::kCuda,
      {.rank = rank,
       .size = static_cast<int>(learner.ranks()),
       .timeout = absl::Milliseconds(learner.collective_timeout_ms()),
       .rendezvous = rendezvous,
       .rendezvous_timeout = absl::Milliseconds(learner.rank_wait_ms()),
       .group = group,
       .host = host,
       .observe = std::move(observe)});
}

}  // namespace operant::learner
