// "host:port" as every flag, setting and message of Operant writes it.
#ifndef OPERANT_COMMON_BASE_ADDRESS_H_
#define OPERANT_COMMON_BASE_ADDRESS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace operant {

struct HostPort {
  std::string host;  // without the brackets of an IPv6 address
  int port = 0;      // 0..65535

  std::string ToString() const;  // brackets where the host holds a ':'
};

// "127.0.0.1:80", "localhost:0", "[::1]:0". InvalidArgument otherwise.
absl::StatusOr<HostPort> ParseHostPort(std::string_view text);

// 127.0.0.0/8, ::1 or "localhost". No name is looked up.
bool IsLoopback(const std::string& host);

// What a gRPC client dials: "host:port", or "dns:///name:port". Errors: as
// ParseHostPort.
absl::StatusOr<HostPort> ParseTarget(std::string_view target);

// Whether what is sent to `target` surely stays on this machine.
bool IsLoopbackTarget(std::string_view target);

// Whether something could listen on `address` now, found out by trying to:
// FailedPrecondition (in use), PermissionDenied, InvalidArgument (no address
// of this machine). Port 0 asks for the host alone.
absl::Status CheckCanListen(const HostPort& address);

// For a port that was lost between CheckCanListen and its use.
absl::Status LostPort(const HostPort& address);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_ADDRESS_H_
