// An HTTP/2 server on loopback that answers with whatever bytes a test wants:
// for answers that no gRPC server could be made to give.
#ifndef OPERANT_TESTS_TESTING_RAW_HTTP2_SERVER_H_
#define OPERANT_TESTS_TESTING_RAW_HTTP2_SERVER_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gtest/gtest.h"

namespace operant::testing {

namespace http2 {

inline std::string BigEndian(uint32_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) {
    text += static_cast<char>(value >> (8 * i) & 0xff);
  }
  return text;
}

enum FrameType {
  kData = 0,
  kHeaders = 1,
  kRst = 3,
  kSettings = 4,
  kPing = 6,
  kGoAway = 7
};
enum Flags { kNone = 0, kAck = 1, kEndStream = 1, kEndHeaders = 4 };

inline std::string Frame(FrameType type, int flags, uint32_t stream,
                         const std::string& payload) {
  return absl::StrCat(BigEndian(payload.size(), 3), BigEndian(type, 1),
                      BigEndian(flags, 1), BigEndian(stream, 4), payload);
}

// HPACK without compression: a literal header with a new name.
inline std::string Header(const std::string& name, const std::string& value) {
  return absl::StrCat(std::string(1, '\0'), BigEndian(name.size(), 1), name,
                      BigEndian(value.size(), 1), value);
}

// ":status: 200" of the static table, and gRPC's content type.
inline std::string ResponseHeaders() {
  return absl::StrCat("\x88", Header("content-type", "application/grpc"));
}

inline std::string Headers(uint32_t stream) {
  return Frame(kHeaders, kEndHeaders, stream, ResponseHeaders());
}

inline std::string Trailers(uint32_t stream, const std::string& status) {
  return Frame(kHeaders, kEndHeaders | kEndStream, stream,
               Header("grpc-status", status));
}

// gRPC's length prefix, which may lie, and what follows it.
inline std::string Prefixed(uint32_t length, const std::string& bytes) {
  return absl::StrCat(std::string(1, '\0'), BigEndian(length, 4), bytes);
}

inline std::string Message(uint32_t stream, const std::string& bytes) {
  return Frame(kData, kNone, stream, Prefixed(bytes.size(), bytes));
}

}  // namespace http2

// Serves from construction to destruction, a thread per connection.
class RawHttp2Server {
 public:
  // Writes an answer with `send`, which is false once nobody reads any more.
  // `body` is the request's gRPC message.
  using Send = std::function<bool(const std::string&)>;
  using Answer =
      std::function<void(uint32_t stream, const std::string& body, Send send)>;

  explicit RawHttp2Server(Answer answer) : answer_(std::move(answer)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_, generic, size), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    EXPECT_EQ(getsockname(listener_, generic, &size), 0);
    address_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
    acceptor_ = std::thread([this] { Accept(); });
  }
  ~RawHttp2Server() {
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    close(listener_);
    {
      absl::MutexLock lock(&mu_);
      for (int fd : connections_) shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
    for (int fd : connections_) close(fd);
  }
  RawHttp2Server(const RawHttp2Server&) = delete;
  RawHttp2Server& operator=(const RawHttp2Server&) = delete;

  const std::string& address() const { return address_; }

 private:
  void Accept() {
    while (true) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      const timeval patience = {.tv_sec = 0, .tv_usec = 500'000};
      setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
      absl::MutexLock lock(&mu_);
      connections_.push_back(fd);
      threads_.emplace_back([this, fd] { Serve(fd); });
    }
  }

  static bool Read(int fd, size_t bytes, std::string& text) {
    text.resize(bytes);
    return bytes == 0 || recv(fd, text.data(), bytes, MSG_WAITALL) ==
                             static_cast<ssize_t>(bytes);
  }
  static bool Write(int fd, const std::string& bytes) {
    return send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }

  void Serve(int fd) {
    using namespace http2;
    constexpr size_t kPreface = 24;
    constexpr size_t kFrameHeader = 9;
    std::string bytes;
    std::string payload;
    if (!Read(fd, kPreface, bytes)) return;
    Write(fd, Frame(kSettings, kNone, 0, ""));
    std::map<uint32_t, std::string> bodies;
    while (Read(fd, kFrameHeader, bytes)) {
      const auto byte = [&](int i) { return static_cast<uint8_t>(bytes[i]); };
      const size_t length = byte(0) << 16 | byte(1) << 8 | byte(2);
      const int type = byte(3);
      const int flags = byte(4);
      const uint32_t stream =
          (byte(5) & 0x7f) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8);
      if (!Read(fd, length, payload)) return;
      if (type == kSettings && (flags & kAck) == 0) {
        Write(fd, Frame(kSettings, kAck, 0, ""));
      } else if (type == kPing && (flags & kAck) == 0) {
        Write(fd, Frame(kPing, kAck, 0, payload));
      } else if (type == kData) {
        bodies[stream] += payload;
        if ((flags & kEndStream) == 0) continue;
        const std::string& body = bodies[stream];
        answer_(stream, body.size() < 5 ? "" : body.substr(5),
                [fd](const std::string& answer) { return Write(fd, answer); });
      }
    }
  }

  const Answer answer_;
  int listener_ = -1;
  std::string address_;
  std::thread acceptor_;
  absl::Mutex mu_;
  std::vector<int> connections_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> threads_;  // of the acceptor, then of ~
};

}  // namespace operant::testing

#endif  // OPERANT_TESTS_TESTING_RAW_HTTP2_SERVER_H_
