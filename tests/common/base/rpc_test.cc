#include "common/base/rpc.h"

#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/base/grpc_status.h"
#include "gmock/gmock.h"
#include "grpc/grpc.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/server_context.h"
#include "gtest/gtest.h"
#include "operant/v1/coordinator.grpc.pb.h"

namespace operant {
namespace {

using ::testing::HasSubstr;

// Answers Register with the size of the worker's id; Leave waits until it is
// cancelled.
class Coordinator : public v1::CoordinatorService::Service {
 public:
  grpc::Status Register(grpc::ServerContext*,
                        const v1::RegisterRequest* request,
                        v1::RegisterResponse* response) override {
    response->set_run_id(absl::StrCat(request->worker_id().size()));
    return grpc::Status::OK;
  }
  grpc::Status Leave(grpc::ServerContext* context, const v1::LeaveRequest*,
                     v1::LeaveResponse*) override {
    leaving_.Notify();
    const absl::Time give_up = absl::Now() + absl::Seconds(10);
    while (!context->IsCancelled() && absl::Now() < give_up) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    return grpc::Status::CANCELLED;
  }

  absl::Notification leaving_;
};

std::unique_ptr<RpcServer> Serve(grpc::Service* service,
                                 const std::string& address = "127.0.0.1:0") {
  auto server = RpcServer::Create({.address = address, .services = {service}});
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

absl::Status Register(const std::shared_ptr<grpc::Channel>& channel,
                      size_t id_bytes,
                      v1::RegisterResponse* response = nullptr) {
  auto stub = v1::CoordinatorService::NewStub(channel);
  grpc::ClientContext context;
  SetDeadline(context, absl::Seconds(10));
  v1::RegisterRequest request;
  request.set_worker_id(std::string(id_bytes, 'w'));
  v1::RegisterResponse ignored;
  return FromGrpcStatus(stub->Register(
      &context, request, response == nullptr ? &ignored : response));
}

TEST(RpcTest, ACallReachesTheServiceOnAFreePort) {
  Coordinator service;
  const auto server = Serve(&service);
  v1::RegisterResponse response;
  ASSERT_TRUE(Register(MakeChannel(server->address()), 5, &response).ok());
  EXPECT_EQ(response.run_id(), "5");
}

TEST(RpcTest, TheFourMebibyteLimitHolds) {
  Coordinator service;
  const auto server = Serve(&service);
  const auto channel = MakeChannel(server->address());
  EXPECT_TRUE(Register(channel, kMaxMessageBytes - 100).ok());
  EXPECT_EQ(Register(channel, kMaxMessageBytes + 1).code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(RpcTest, APortInUseIsFailedPreconditionNamingIt) {
  Coordinator first, second;
  const auto server = Serve(&first);
  const auto taken =
      RpcServer::Create({.address = server->address(), .services = {&second}});
  EXPECT_EQ(taken.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(taken.status().message()),
              HasSubstr(server->address()));
}

TEST(RpcTest, PlaintextOutsideLoopbackIsRefused) {
  for (const char* address : {"0.0.0.0:0", "[::]:0", "10.1.2.3:50051"}) {
    const auto server = RpcServer::Create({.address = address});
    EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(server.status().message()), HasSubstr("loopback"));
  }
}

TEST(RpcTest, AMalformedAddressIsInvalidArgument) {
  EXPECT_EQ(RpcServer::Create({.address = "nowhere"}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(RpcTest, AnAbsentPeerFailsAtOnce) {
  Coordinator service;
  std::string address;
  { address = Serve(&service)->address(); }  // a port that was just free
  const absl::Time start = absl::Now();
  EXPECT_EQ(Register(MakeChannel(address), 1).code(),
            absl::StatusCode::kUnavailable);
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
}

TEST(RpcTest, AChannelFindsARestartedPeerAgain) {
  Coordinator first, second;
  auto server = Serve(&first);
  const std::string address = server->address();
  const auto channel = MakeChannel(address);
  ASSERT_TRUE(Register(channel, 1).ok());
  server.reset();
  EXPECT_EQ(Register(channel, 1).code(), absl::StatusCode::kUnavailable);
  server = Serve(&second, address);
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (!Register(channel, 1).ok() && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_TRUE(Register(channel, 1).ok());
}

TEST(RpcTest, ShutdownCancelsWhatOutlivesTheGrace) {
  Coordinator service;
  auto server = Serve(&service);
  absl::Status left;
  std::thread caller([&, address = server->address()] {
    auto stub = v1::CoordinatorService::NewStub(MakeChannel(address));
    grpc::ClientContext context;
    SetDeadline(context, absl::Seconds(10));
    v1::LeaveResponse response;
    left = FromGrpcStatus(stub->Leave(&context, {}, &response));
  });
  ASSERT_TRUE(
      service.leaving_.WaitForNotificationWithTimeout(absl::Seconds(10)));
  const absl::Time start = absl::Now();
  server->Shutdown(absl::Milliseconds(50));
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
  caller.join();
  EXPECT_TRUE(absl::IsCancelled(left) || absl::IsUnavailable(left)) << left;
}

TEST(RpcTest, TheDeadlineEndsACall) {
  Coordinator service;
  const auto server = Serve(&service);
  auto stub = v1::CoordinatorService::NewStub(MakeChannel(server->address()));
  grpc::ClientContext context;
  SetDeadline(context, absl::Milliseconds(50));
  v1::LeaveResponse response;
  EXPECT_EQ(FromGrpcStatus(stub->Leave(&context, {}, &response)).code(),
            absl::StatusCode::kDeadlineExceeded);
}

// grpc.health.v1: HealthCheckResponse{status: SERVING} is 08 01.
TEST(RpcTest, TheStandardHealthServiceAnswers) {
  Coordinator service;
  const auto server = Serve(&service);
  grpc::GenericStub stub(MakeChannel(server->address()));
  grpc::ClientContext context;
  SetDeadline(context, absl::Seconds(10));
  const grpc::Slice empty;  // a HealthCheckRequest of the whole server
  const grpc::ByteBuffer request(&empty, 1);
  grpc::ByteBuffer response;
  grpc::Status status;
  absl::Notification done;
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request,
                 &response, [&](grpc::Status s) {
                   status = s;
                   done.Notify();
                 });
  ASSERT_TRUE(done.WaitForNotificationWithTimeout(absl::Seconds(10)));
  ASSERT_TRUE(status.ok()) << status.error_message();
  grpc::Slice slice;
  ASSERT_TRUE(response.DumpToSingleSlice(&slice).ok());
  EXPECT_EQ(std::string(slice.begin(), slice.end()), "\x08\x01");
}

}  // namespace
}  // namespace operant
