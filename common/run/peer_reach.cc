#include "common/run/peer_reach.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace operant {
namespace {

// The error of a connection that was begun: 0, an errno, or ETIMEDOUT.
int Outcome(int fd, absl::Duration timeout) {
  pollfd waited = {.fd = fd, .events = POLLOUT, .revents = 0};
  const int ready =
      poll(&waited, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout)));
  if (ready <= 0) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof(error);
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error
                                                                  : errno;
}

int Connect(const addrinfo& target, absl::Duration timeout) {
  const int fd =
      socket(target.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return errno;
  const absl::Cleanup close_it = [fd] { close(fd); };
  if (connect(fd, target.ai_addr, target.ai_addrlen) == 0) return 0;
  return errno == EINPROGRESS ? Outcome(fd, timeout) : errno;
}

}  // namespace

absl::StatusOr<std::string> Reach(const HostPort& peer,
                                  absl::Duration timeout) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int lookup = getaddrinfo(
      peer.host.c_str(), absl::StrCat(peer.port).c_str(), &hints, &found);
  if (lookup != 0) {
    return absl::NotFoundError(
        absl::StrCat("peer=", peer.ToString(), ": ", gai_strerror(lookup),
                     "; is its name right, may this machine ask for it?"));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found,
                                                                 &freeaddrinfo);
  const absl::Time start = absl::Now();
  const int error = Connect(*found, timeout);
  if (error == 0) {
    return absl::StrFormat("connected in %.1f ms",
                           absl::ToDoubleMilliseconds(absl::Now() - start));
  }
  if (error == ECONNREFUSED) return "answers, nothing listens yet";
  if (error == ETIMEDOUT) {
    return absl::DeadlineExceededError(absl::StrCat(
        "peer=", peer.ToString(), ": no answer in ",
        absl::FormatDuration(timeout),
        "; does a firewall or a NetworkPolicy keep this machine out?"));
  }
  return absl::UnavailableError(
      absl::StrCat("peer=", peer.ToString(), ": ", strerror(error)));
}

}  // namespace operant
