#include "common/base/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace operant {
namespace {

absl::Status Malformed(std::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("malformed address: value=", std::string(text),
                   ", expected host:port with a port of 0..65535, such as "
                   "127.0.0.1:50051"));
}

bool IsInBrackets(std::string_view host) {
  return host.size() >= 2 && host.front() == '[' && host.back() == ']';
}

// errno of binding a socket to `info`; 0 if that works.
int BindError(const addrinfo& info) {
  const int fd = socket(info.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const bool ok =
      bind(fd, info.ai_addr, info.ai_addrlen) == 0 && listen(fd, 1) == 0;
  const int error = ok ? 0 : errno;
  close(fd);
  return error;
}

absl::Status NotOurs(const HostPort& address, const char* why) {
  return absl::InvalidArgumentError(
      absl::StrCat("cannot listen: address=", address.ToString(), " (", why,
                   "), expected an address of this machine"));
}

}  // namespace

std::string HostPort::ToString() const {
  if (absl::StrContains(host, ':')) return absl::StrCat("[", host, "]:", port);
  return absl::StrCat(host, ":", port);
}

absl::StatusOr<HostPort> ParseHostPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Malformed(text);
  std::string_view host = text.substr(0, colon);
  const bool bracketed = IsInBrackets(host);
  if (bracketed) host = host.substr(1, host.size() - 2);
  const bool has_colon = host.find(':') != std::string_view::npos;
  int port = -1;
  if (host.empty() || has_colon != bracketed ||
      !absl::SimpleAtoi(std::string(text.substr(colon + 1)), &port) ||
      port < 0 || port > 65535) {
    return Malformed(text);
  }
  return HostPort{std::string(host), port};
}

bool IsLoopback(const std::string& host) {
  in_addr v4;
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) {
    return ntohl(v4.s_addr) >> 24 == 127;
  }
  in6_addr v6;
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) {
    return IN6_IS_ADDR_LOOPBACK(&v6);
  }
  return host == "localhost";
}

absl::StatusOr<HostPort> ParseTarget(std::string_view target) {
  constexpr std::string_view kByName = "dns:///";
  if (target.starts_with(kByName)) target.remove_prefix(kByName.size());
  return ParseHostPort(target);
}

bool IsLoopbackTarget(std::string_view target) {
  const absl::StatusOr<HostPort> parsed = ParseTarget(target);
  return parsed.ok() && IsLoopback(parsed->host);
}

absl::Status CheckCanListen(const HostPort& address) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int lookup = getaddrinfo(
      address.host.c_str(), absl::StrCat(address.port).c_str(), &hints, &found);
  if (lookup != 0) return NotOurs(address, gai_strerror(lookup));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found,
                                                                 &freeaddrinfo);
  const int error = BindError(*found);
  switch (error) {
    case 0:
      return absl::OkStatus();
    case EADDRINUSE:
      return absl::FailedPreconditionError(
          absl::StrCat("cannot listen: address=", address.ToString(),
                       " is in use, expected a free port; stop its owner or "
                       "choose another (0: any free one)"));
    case EACCES:
      return absl::PermissionDeniedError(
          absl::StrCat("cannot listen: address=", address.ToString(),
                       ", expected a port this user may open; choose one "
                       "above 1023"));
    default:
      return NotOurs(address, strerror(error));
  }
}

absl::Status LostPort(const HostPort& address) {
  return absl::FailedPreconditionError(
      absl::StrCat("cannot listen: address=", address.ToString(),
                   " was taken a moment ago; try again or choose another"));
}

}  // namespace operant
