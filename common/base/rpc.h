// gRPC servers and channels as every process of Operant makes them: bounded
// messages, keepalive, and large reads where weights travel.
#ifndef OPERANT_COMMON_BASE_RPC_H_
#define OPERANT_COMMON_BASE_RPC_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/credentials.h"
#include "common/base/metrics.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/impl/codegen/service_type.h"

namespace operant {

// Limit of one message, both ways: gRPC's own default. Weights go in chunks.
inline constexpr int kMaxMessageBytes = 4 << 20;

class RpcServer {
 public:
  struct Options {
    std::string address = "127.0.0.1:0";  // port 0: a free one
    // Not owned; must outlive the server.
    std::vector<grpc::Service*> services;
    std::shared_ptr<const Credentials> credentials = Credentials::Plaintext();
    // Counts the calls (grpc_server_*); null: nobody does.
    MetricRegistry* metrics = nullptr;
  };

  // Errors: InvalidArgument (malformed address; plaintext outside
  // loopback), FailedPrecondition (the port is in use; names it). The
  // standard health service is always served.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Create(
      const Options& options);
  virtual ~RpcServer() = default;  // Shutdown(1 s)

  virtual std::string address() const = 0;  // host:port actually bound
  // Refuses new calls, lets running ones finish for `grace`, cancels the rest.
  virtual void Shutdown(absl::Duration grace) = 0;
};

// Opens (lazily) a channel to `address`: keepalive 20 s, large TCP reads, its
// own connection. `credentials` are those of Credentials::ForPeer or of
// HostCredentials; null is plaintext. Never fails; calls on it do. `metrics`,
// if any, count them (grpc_client_*).
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           ChannelCredentials credentials = {},
                                           MetricRegistry* metrics = nullptr);

// Sets the deadline, and makes the call fail at once when the peer is not
// there (wait_for_ready off).
void SetDeadline(grpc::ClientContext& context, absl::Duration timeout);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_RPC_H_
