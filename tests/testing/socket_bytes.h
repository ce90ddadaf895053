// What the kernel says this process has sent over TCP: a witness of its own.
#ifndef OPERANT_TESTS_TESTING_SOCKET_BYTES_H_
#define OPERANT_TESTS_TESTING_SOCKET_BYTES_H_

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>

namespace operant::testing_support {

// Payload handed to the peers of all sockets that are open now; without
// retransmissions and headers.
inline int64_t TcpBytesAcknowledged() {
  int64_t sum = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::atoi(entry.path().filename().c_str());
    tcp_info info = {};
    socklen_t size = sizeof(info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) continue;
    // Of a socket that listens the field means something else; 10 is LISTEN.
    if (info.tcpi_state == 10) continue;
    sum += static_cast<int64_t>(info.tcpi_bytes_acked);
  }
  return sum;
}

}  // namespace operant::testing_support

#endif  // OPERANT_TESTS_TESTING_SOCKET_BYTES_H_
