#include <memory>
#include <optional>
#include <string>

#include "common/base/metrics_text.h"
#include "common/base/rpc.h"
#include "gtest/gtest.h"
#include "learner/coordinator.h"
#include "operant/v1/coordinator.grpc.pb.h"

namespace operant::learner {
namespace {

class CoordinatorMetricsTest : public testing::Test {
 protected:
  uint64_t Register(const std::string& id) {
    v1::RegisterRequest request;
    request.set_protocol_version(1);
    request.set_worker_id(id);
    request.set_address("127.0.0.1:1");
    request.set_slots(1);
    v1::RegisterResponse response;
    grpc::ClientContext context;
    SetDeadline(context, absl::Seconds(10));
    EXPECT_TRUE(stub_->Register(&context, request, &response).ok());
    return response.epoch();
  }

  void HeartbeatWithWeights(const std::string& id, uint64_t epoch) {
    v1::HeartbeatRequest request;
    request.set_worker_id(id);
    request.set_epoch(epoch);
    request.set_has_weights(true);
    request.set_policy_version(7);
    v1::HeartbeatResponse response;
    grpc::ClientContext context;
    SetDeadline(context, absl::Seconds(10));
    EXPECT_TRUE(stub_->Heartbeat(&context, request, &response).ok());
  }

  void Leave(const std::string& id, uint64_t epoch) {
    v1::LeaveRequest request;
    request.set_worker_id(id);
    request.set_epoch(epoch);
    v1::LeaveResponse response;
    grpc::ClientContext context;
    SetDeadline(context, absl::Seconds(10));
    EXPECT_TRUE(stub_->Leave(&context, request, &response).ok());
  }

  std::optional<double> Find(const char* name, const MetricLabels& labels) {
    return MetricsPage::Parse(metrics_->Serialize()).Find(name, labels);
  }
  std::optional<double> Restarts(const char* reason) {
    return Find("operant_coordinator_worker_restarts_total",
                {{"reason", reason}});
  }
  std::optional<double> Heartbeat(const char* id) {
    return Find("operant_coordinator_worker_last_heartbeat_timestamp_seconds",
                {{"worker", id}});
  }

  std::unique_ptr<MetricRegistry> metrics_ = MetricRegistry::Create();
  std::unique_ptr<Coordinator> coordinator_ =
      Coordinator::Create({}, metrics_.get());
  std::unique_ptr<RpcServer> server_ =
      *RpcServer::Create({.services = coordinator_->services()});
  std::unique_ptr<v1::CoordinatorService::Stub> stub_ =
      v1::CoordinatorService::NewStub(MakeChannel(server_->address()));
};

TEST_F(CoordinatorMetricsTest, AWorkersSamplesGoWithIt) {
  const uint64_t epoch = Register("a");
  Register("b");
  EXPECT_GT(Heartbeat("a"), 1e9);
  Leave("a", epoch);
  EXPECT_EQ(Heartbeat("a"), std::nullopt);
  EXPECT_GT(Heartbeat("b"), 1e9);
  EXPECT_EQ(Find("operant_coordinator_workers", {{"state", "joining"}}), 1);
}

TEST_F(CoordinatorMetricsTest, ARestartSaysWhatTheWorkerWasBefore) {
  Register("a");
  uint64_t epoch = Register("a");
  EXPECT_EQ(Restarts("replaced"), std::nullopt)
      << "it did not work yet: a correction, no restart";
  HeartbeatWithWeights("a", epoch);
  epoch = Register("a");
  EXPECT_EQ(Restarts("replaced"), 1);
  Leave("a", epoch);
  Register("a");
  EXPECT_EQ(Restarts("left"), 1);
  EXPECT_EQ(Restarts("replaced"), 1);
}

TEST_F(CoordinatorMetricsTest, NoVersionIsExportedBeforeThereAreWeights) {
  const uint64_t epoch = Register("a");
  EXPECT_EQ(Find("operant_coordinator_worker_serving_version", {}),
            std::nullopt);
  HeartbeatWithWeights("a", epoch);
  EXPECT_EQ(Find("operant_coordinator_worker_serving_version", {}), 7);
}

}  // namespace
}  // namespace operant::learner
