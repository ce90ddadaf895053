// One worker that does not answer, beside one that does.
#include "learner/weight_publisher.h"

#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/rpc.h"
#include "gtest/gtest.h"
#include "operant/v1/coordinator.grpc.pb.h"
#include "operant/v1/weights.grpc.pb.h"
#include "tests/testing/tiny_weights.h"

namespace operant::learner {
namespace {

// Far longer than a test takes: who waits for it has failed.
constexpr absl::Duration kForever = absl::Minutes(10);
constexpr absl::Duration kLong = absl::Minutes(2);

// Acknowledges a push, at once or, while it holds, not before Release().
class FakeWorker final : public v1::WeightService::Service {
 public:
  grpc::Status Push(grpc::ServerContext* context,
                    grpc::ServerReader<v1::WeightFrame>* frames,
                    v1::PushResponse*) override {
    v1::WeightFrame frame;
    while (frames->Read(&frame)) {
    }
    absl::MutexLock lock(&mu_);
    ++begun_;
    auto free = [this]()
                    ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return !holding_; };
    while (
        !context->IsCancelled() &&
        !mu_.AwaitWithTimeout(absl::Condition(&free), absl::Milliseconds(10))) {
    }
    ++ended_;
    was_cancelled_ |= context->IsCancelled();
    return grpc::Status::OK;
  }

  void Hold() {
    absl::MutexLock lock(&mu_);
    holding_ = true;
  }
  void Release() {
    absl::MutexLock lock(&mu_);
    holding_ = false;
  }
  bool AwaitEnded(int pushes) {
    absl::MutexLock lock(&mu_);
    auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return ended_ == pushes;
    };
    return mu_.AwaitWithTimeout(absl::Condition(&enough), kLong);
  }
  int begun() const {
    absl::MutexLock lock(&mu_);
    return begun_;
  }
  bool was_cancelled() const {
    absl::MutexLock lock(&mu_);
    return was_cancelled_;
  }

 private:
  mutable absl::Mutex mu_;
  bool holding_ ABSL_GUARDED_BY(mu_) = false;
  int begun_ ABSL_GUARDED_BY(mu_) = 0;
  int ended_ ABSL_GUARDED_BY(mu_) = 0;
  bool was_cancelled_ ABSL_GUARDED_BY(mu_) = false;
};

class WeightPublisherTest : public ::testing::Test {
 protected:
  // Workers that are silent for `heartbeat_timeout` are lost.
  void Start(absl::Duration heartbeat_timeout) {
    coordinator_ = Coordinator::Create(
        {.limits = {.heartbeat_timeout = heartbeat_timeout}}, metrics_.get());
    server_ = *RpcServer::Create({.services = coordinator_->services()});
    publisher_ = std::make_unique<WeightPublisher>(
        coordinator_.get(), metrics_.get(), ModelDigest(TinyModel()), kForever);
  }
  ~WeightPublisherTest() override { slow_.Release(); }

  void Register(const std::string& id, const RpcServer& worker) {
    v1::RegisterRequest request;
    request.set_protocol_version(1);
    request.set_worker_id(id);
    request.set_address(worker.address());
    request.set_slots(1);
    v1::RegisterResponse response;
    grpc::ClientContext context;
    SetDeadline(context, kLong);
    const auto stub =
        v1::CoordinatorService::NewStub(MakeChannel(server_->address()));
    ASSERT_TRUE(stub->Register(&context, request, &response).ok());
  }

  // What it says, and whether it waited for the push's deadline.
  PublishReport Publish(uint64_t version) {
    const absl::Time start = absl::Now();
    const auto report = publisher_->Publish(TinyImage(version), version);
    EXPECT_TRUE(report.ok()) << report.status();
    EXPECT_LT(absl::Now() - start, kForever / 2) << "waited for the deadline";
    return report.value_or(PublishReport{});
  }

  FakeWorker quick_, slow_;
  std::unique_ptr<RpcServer> quick_server_ =
      *RpcServer::Create({.services = {&quick_}});
  std::unique_ptr<RpcServer> slow_server_ =
      *RpcServer::Create({.services = {&slow_}});
  std::unique_ptr<MetricRegistry> metrics_ = MetricRegistry::Create();
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<WeightPublisher> publisher_;
};

TEST_F(WeightPublisherTest, APushToALostWorkerIsGivenUp) {
  Start(/*heartbeat_timeout=*/absl::Milliseconds(500));
  Register("slow", *slow_server_);
  slow_.Hold();
  const PublishReport report = Publish(1);
  EXPECT_EQ(report.workers, 1);
  EXPECT_EQ(report.acknowledged, 0);
  ASSERT_TRUE(slow_.AwaitEnded(1));
  EXPECT_TRUE(slow_.was_cancelled());
}

TEST_F(WeightPublisherTest, APushToAFormerIncarnationIsGivenUp) {
  Start(kForever);
  Register("slow", *slow_server_);
  slow_.Hold();
  std::thread again([&] {
    while (slow_.begun() == 0) absl::SleepFor(absl::Milliseconds(1));
    Register("slow", *quick_server_);
  });
  EXPECT_EQ(Publish(1).acknowledged, 0);
  again.join();
  EXPECT_EQ(Publish(2).acknowledged, 1);
  EXPECT_EQ(quick_.begun(), 1);
}

TEST_F(WeightPublisherTest, TheOthersGoOnWithoutALaggardThatCatchesUp) {
  Start(kForever);
  Register("quick", *quick_server_);
  Register("slow", *slow_server_);
  slow_.Hold();
  PublishReport report = Publish(1);
  EXPECT_EQ(report.workers, 2);
  EXPECT_EQ(report.acknowledged, 1);

  report = Publish(2);
  EXPECT_EQ(report.workers, 1) << "a second push while the first one runs";
  EXPECT_EQ(slow_.begun(), 1);

  slow_.Release();
  ASSERT_TRUE(slow_.AwaitEnded(1));
  EXPECT_FALSE(slow_.was_cancelled());
  // The answer is on its way to the learner.
  uint64_t version = 3;
  const absl::Time end = absl::Now() + kLong;
  while (Publish(version++).acknowledged < 2 && absl::Now() < end) {
  }
  EXPECT_GT(slow_.begun(), 1);
}

TEST_F(WeightPublisherTest, WithoutAnyAnswerALivingWorkerIsWaitedFor) {
  Start(kForever);
  Register("slow", *slow_server_);
  slow_.Hold();
  std::thread release([&] {
    absl::SleepFor(absl::Seconds(2));  // longer than a laggard gets
    slow_.Release();
  });
  EXPECT_EQ(Publish(1).acknowledged, 1);
  release.join();
}

}  // namespace
}  // namespace operant::learner
