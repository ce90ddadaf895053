#include "common/base/rpc_metrics.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/base/metric_families.h"

namespace operant {
namespace {

using grpc::experimental::ClientRpcInfo;
using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::Interceptor;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

const char* TypeName(ServerRpcInfo::Type type) {
  switch (type) {
    case ServerRpcInfo::Type::UNARY:
      return "unary";
    case ServerRpcInfo::Type::CLIENT_STREAMING:
      return "client_stream";
    case ServerRpcInfo::Type::SERVER_STREAMING:
      return "server_stream";
    default:
      return "bidi_stream";
  }
}

const char* TypeName(ClientRpcInfo::Type type) {
  switch (type) {
    case ClientRpcInfo::Type::UNARY:
      return "unary";
    case ClientRpcInfo::Type::CLIENT_STREAMING:
      return "client_stream";
    case ClientRpcInfo::Type::SERVER_STREAMING:
      return "server_stream";
    default:
      return "bidi_stream";
  }
}

// "/package.Service/Method" of one call.
struct CallName {
  std::string type;
  std::string service;
  std::string method;
};

template <typename Info>
CallName NameOf(const Info& info) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(
      absl::StripPrefix(info.method(), "/"), absl::MaxSplits('/', 1));
  return {TypeName(info.type()), parts.first, parts.second};
}

std::string CodeName(grpc::StatusCode code) {
  return absl::StatusCodeToString(static_cast<absl::StatusCode>(code));
}

// One call, from its first operation to the interceptor's end. A call whose
// status nobody saw was cancelled.
class MeteredCall : public Interceptor {
 public:
  MeteredCall(CallName name, std::shared_ptr<MetricRegistry> metrics)
      : name_(std::move(name)), metrics_(std::move(metrics)) {}

 protected:
  template <typename Handled, typename Handling>
  void Count(const Handled& handled, const Handling& handling) {
    const absl::Duration took = absl::Now() - start_;
    metrics_
        ->Get(handled,
              {name_.type, name_.service, name_.method, CodeName(code_)})
        .Increment();
    metrics_->Get(handling, {name_.type, name_.service, name_.method})
        .Observe(absl::ToDoubleSeconds(took));
  }

  grpc::StatusCode code_ = grpc::StatusCode::CANCELLED;

 private:
  const CallName name_;
  const std::shared_ptr<MetricRegistry> metrics_;
  const absl::Time start_ = absl::Now();
};

class ServerCall final : public MeteredCall {
 public:
  using MeteredCall::MeteredCall;
  ~ServerCall() override {
    Count(metric::kGrpcServerHandledTotal, metric::kGrpcServerHandlingSeconds);
  }
  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            InterceptionHookPoints::PRE_SEND_STATUS)) {
      code_ = methods->GetSendStatus().error_code();
    }
    methods->Proceed();
  }
};

class ClientCall final : public MeteredCall {
 public:
  using MeteredCall::MeteredCall;
  ~ClientCall() override {
    Count(metric::kGrpcClientHandledTotal, metric::kGrpcClientHandlingSeconds);
  }
  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            InterceptionHookPoints::POST_RECV_STATUS)) {
      code_ = methods->GetRecvStatus()->error_code();
    }
    methods->Proceed();
  }
};

class ServerFactory final
    : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit ServerFactory(std::shared_ptr<MetricRegistry> metrics)
      : metrics_(std::move(metrics)) {}
  Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    return new ServerCall(NameOf(*info), metrics_);
  }

 private:
  const std::shared_ptr<MetricRegistry> metrics_;
};

class ClientFactory final
    : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit ClientFactory(std::shared_ptr<MetricRegistry> metrics)
      : metrics_(std::move(metrics)) {}
  Interceptor* CreateClientInterceptor(ClientRpcInfo* info) override {
    return new ClientCall(NameOf(*info), metrics_);
  }

 private:
  const std::shared_ptr<MetricRegistry> metrics_;
};

}  // namespace

ServerInterceptors ServerMetrics(MetricRegistry* registry) {
  ServerInterceptors interceptors;
  if (registry != nullptr)
    interceptors.push_back(std::make_unique<ServerFactory>(registry->Share()));
  return interceptors;
}

ClientInterceptors ClientMetrics(MetricRegistry* registry) {
  ClientInterceptors interceptors;
  if (registry != nullptr)
    interceptors.push_back(std::make_unique<ClientFactory>(registry->Share()));
  return interceptors;
}

}  // namespace operant
