#include "common/base/rpc_metrics.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/metrics_text.h"
#include "common/base/rpc.h"
#include "gtest/gtest.h"
#include "operant/v1/coordinator.grpc.pb.h"

namespace operant {
namespace {

// Refuses an empty id.
class Coordinator : public v1::CoordinatorService::Service {
 public:
  grpc::Status Register(grpc::ServerContext*,
                        const v1::RegisterRequest* request,
                        v1::RegisterResponse*) override {
    return request->worker_id().empty()
               ? grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no id")
               : grpc::Status::OK;
  }
};

void Register(const std::shared_ptr<grpc::Channel>& channel, const char* id) {
  const auto stub = v1::CoordinatorService::NewStub(channel);
  grpc::ClientContext context;
  SetDeadline(context, absl::Seconds(10));
  v1::RegisterRequest request;
  request.set_worker_id(id);
  v1::RegisterResponse response;
  stub->Register(&context, request, &response);
}

MetricLabels Call(const char* code) {
  return {{"grpc_type", "unary"},
          {"grpc_service", "operant.v1.CoordinatorService"},
          {"grpc_method", "Register"},
          {"grpc_code", code}};
}

TEST(RpcMetricsTest, BothEndsCountCallsByMethodAndCode) {
  const auto server_metrics = MetricRegistry::Create();
  const auto client_metrics = MetricRegistry::Create();
  Coordinator service;
  auto server = *RpcServer::Create(
      {.services = {&service}, .metrics = server_metrics.get()});
  {
    const auto channel =
        MakeChannel(server->address(), {}, client_metrics.get());
    Register(channel, "a");
    Register(channel, "b");
    Register(channel, "");
  }
  server.reset();
  for (const auto& [end, metrics] :
       {std::pair{"server", server_metrics.get()},
        std::pair{"client", client_metrics.get()}}) {
    const auto page = MetricsPage::Parse(metrics->Serialize());
    const std::string handled = absl::StrCat("grpc_", end, "_handled_total");
    EXPECT_EQ(page.Find(handled, Call("OK")), 2) << end;
    EXPECT_EQ(page.Find(handled, Call("INVALID_ARGUMENT")), 1) << end;
    EXPECT_EQ(page.Sum(absl::StrCat("grpc_", end, "_handling_seconds_count")),
              3)
        << end;
  }
}

TEST(RpcMetricsTest, ACallToNobodyIsCountedAsUnavailable) {
  const auto metrics = MetricRegistry::Create();
  Register(MakeChannel("127.0.0.1:1", {}, metrics.get()), "a");
  const auto page = MetricsPage::Parse(metrics->Serialize());
  EXPECT_EQ(page.Find("grpc_client_handled_total", Call("UNAVAILABLE")), 1);
}

TEST(RpcMetricsTest, AChannelMayOutliveTheRegistry) {
  Coordinator service;
  const auto server = *RpcServer::Create({.services = {&service}});
  auto metrics = MetricRegistry::Create();
  const auto channel = MakeChannel(server->address(), {}, metrics.get());
  metrics.reset();
  Register(channel, "a");
}

}  // namespace
}  // namespace operant
