#include "common/base/rpc.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/address.h"
#include "common/base/rpc_metrics.h"
#include "common/base/status_macros.h"
#include "grpc/grpc.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"

namespace operant {
namespace {

constexpr int kKeepaliveMs = 20'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
// A server must tolerate the pings that our clients send.
constexpr int kMinPingIntervalMs = kKeepaliveMs / 2;
// Peers restart: find them again soon (gRPC's own limit is two minutes).
constexpr int kInitialBackoffMs = 100;
constexpr int kMaxReconnectMs = 250;
constexpr int kNameLookupMs = 1'000;
// gRPC gives an attempt as long as its "minimal back-off": time for a TLS
// handshake between busy machines. A refused connection fails at once.
constexpr int kConnectTimeoutMs = 5'000;
// Large read slices bring a weight push to the speed of raw TCP; gRPC's
// default of 8 KiB halves it.
constexpr int kReadChunkBytes = 4 << 20;
constexpr const char* kReadChunkArgs[] = {
    "grpc.experimental.tcp_read_chunk_size",
    "grpc.experimental.tcp_min_read_chunk_size",
    "grpc.experimental.tcp_max_read_chunk_size",
};
constexpr absl::Duration kDestructorGrace = absl::Seconds(1);

void SetServerArguments(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  // Otherwise two processes could share a port without noticing.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                             kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
      kMinPingIntervalMs);
  for (const char* name : kReadChunkArgs) {
    builder.AddChannelArgument(name, kReadChunkBytes);
  }
}

grpc::ChannelArguments ClientArguments() {
  grpc::ChannelArguments args;
  args.SetMaxReceiveMessageSize(kMaxMessageBytes);
  args.SetMaxSendMessageSize(kMaxMessageBytes);
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  args.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kInitialBackoffMs);
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectTimeoutMs);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  // A peer that comes back as a Pod has another address; gRPC would look for it
  // twice a minute.
  args.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, kNameLookupMs);
  // dns:///name:port spreads its calls over all of the name's addresses.
  args.SetLoadBalancingPolicyName("round_robin");
  // A peer of the cluster is never behind the machine's web proxy.
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  for (const char* name : kReadChunkArgs) args.SetInt(name, kReadChunkBytes);
  return args;
}

class RpcServerImpl : public RpcServer {
 public:
  RpcServerImpl(std::unique_ptr<grpc::Server> server, std::string address)
      : server_(std::move(server)), address_(std::move(address)) {}
  ~RpcServerImpl() override { Shutdown(kDestructorGrace); }

  std::string address() const override { return address_; }

  void Shutdown(absl::Duration grace) override {
    server_->Shutdown(absl::ToChronoTime(absl::Now() + grace));
    server_->Wait();
  }

 private:
  const std::unique_ptr<grpc::Server> server_;
  const std::string address_;
};

absl::Status CheckLoopback(const HostPort& address) {
  if (IsLoopback(address.host)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "cannot listen: address=", address.ToString(),
      ", expected a loopback "
      "address (127.0.0.1:PORT) since plaintext may not leave the machine; "
      "set security.certs (operant certs create DIR)"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Create(
    const Options& options) {
  ASSIGN_OR_RETURN(HostPort address, ParseHostPort(options.address));
  if (!options.credentials->encrypted()) {
    RETURN_IF_ERROR(CheckLoopback(address));
  }
  // Asked beforehand since gRPC would log a failure and not tell its cause.
  RETURN_IF_ERROR(CheckCanListen(address));
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  SetServerArguments(builder);
  int port = 0;
  builder.AddListeningPort(address.ToString(), options.credentials->ForServer(),
                           &port);
  for (grpc::Service* service : options.services) {
    builder.RegisterService(service);
  }
  builder.experimental().SetInterceptorCreators(ServerMetrics(options.metrics));
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) return LostPort(address);
  address.port = port;
  return std::make_unique<RpcServerImpl>(std::move(server), address.ToString());
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           ChannelCredentials credentials,
                                           MetricRegistry* metrics) {
  if (credentials == nullptr) {
    credentials = Credentials::Plaintext()->ForPeer(v1::ROLE_UNSPECIFIED);
  }
  return grpc::experimental::CreateCustomChannelWithInterceptors(
      address, credentials, ClientArguments(), ClientMetrics(metrics));
}

void SetDeadline(grpc::ClientContext& context, absl::Duration timeout) {
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  context.set_wait_for_ready(false);
}

}  // namespace operant
