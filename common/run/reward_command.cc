#include "common/run/reward_command.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/base/address.h"
#include "common/base/status_macros.h"

namespace operant {
namespace {

absl::StatusOr<int> FreeLoopbackPort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto close_fd = absl::MakeCleanup([fd] { close(fd); });
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  if (fd < 0 || bind(fd, generic, size) != 0 ||
      getsockname(fd, generic, &size) != 0) {
    return absl::UnavailableError(absl::StrCat(
        "no free loopback port for a reward command: ", std::strerror(errno)));
  }
  return ntohs(address.sin_port);
}

// `program` as the shell would find it; itself if it is nowhere on PATH.
std::string FindProgram(const std::string& program) {
  const char* path = std::getenv("PATH");
  if (path == nullptr || absl::StrContains(program, "/")) return program;
  for (const std::string& folder :
       std::vector<std::string>(absl::StrSplit(path, ':'))) {
    const std::string candidate = absl::StrCat(folder, "/", program);
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return program;
}

}  // namespace

absl::Status AssignRewardAddresses(v1::RewardSection& reward) {
  for (v1::RewardEndpoint& endpoint : *reward.mutable_endpoints()) {
    if (endpoint.command().empty()) continue;
    HostPort address{"127.0.0.1", 0};
    if (!endpoint.address().empty()) {
      ASSIGN_OR_RETURN(address, ParseHostPort(endpoint.address()));
    }
    if (address.port == 0) {
      ASSIGN_OR_RETURN(address.port, FreeLoopbackPort());
    }
    endpoint.set_address(address.ToString());
  }
  return absl::OkStatus();
}

ProcessSpec RewardCommandSpec(const v1::RewardEndpoint& endpoint,
                              const std::string& role,
                              const std::string& log_path) {
  ProcessSpec spec;
  spec.role = role;
  for (const std::string& part : endpoint.command()) {
    spec.args.push_back(
        absl::StrReplaceAll(part, {{"{address}", endpoint.address()}}));
  }
  spec.args[0] = FindProgram(spec.args[0]);
  spec.environment = {
      absl::StrCat("OPERANT_REWARD_ADDRESS=", endpoint.address())};
  spec.log_path = log_path;
  return spec;
}

bool IsListening(const std::string& address) {
  const absl::StatusOr<HostPort> target = ParseHostPort(address);
  if (!target.ok()) return false;
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(target->host.c_str(), absl::StrCat(target->port).c_str(),
                  &hints, &found) != 0) {
    return false;
  }
  const auto free_found = absl::MakeCleanup([found] { freeaddrinfo(found); });
  for (const addrinfo* info = found; info != nullptr; info = info->ai_next) {
    const int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) continue;
    const bool accepted = connect(fd, info->ai_addr, info->ai_addrlen) == 0;
    close(fd);
    if (accepted) return true;
  }
  return false;
}

}  // namespace operant
