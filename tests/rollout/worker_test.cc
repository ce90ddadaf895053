// The worker's whole life against a coordinator that the test plays.
#include "rollout/worker.h"

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/grpc_status.h"
#include "common/base/rpc.h"
#include "common/nn/weight_rpc.h"
#include "common/nn/weight_stream.h"
#include "gtest/gtest.h"
#include "operant/v1/coordinator.grpc.pb.h"
#include "operant/v1/rollout.grpc.pb.h"
#include "rollout/policy_store.h"
#include "tests/testing/fake_generation_engine.h"
#include "tests/testing/tiny_weights.h"

namespace operant::rollout {
namespace {

constexpr uint64_t kVersion = 4;

absl::Time Soon() { return absl::Now() + absl::Seconds(10); }

class FakeCoordinator final : public v1::CoordinatorService::Service {
 public:
  explicit FakeCoordinator(PolicyVersion published)
      : published_(std::move(published)) {}

  grpc::Status Register(grpc::ServerContext*,
                        const v1::RegisterRequest* request,
                        v1::RegisterResponse* response) override {
    absl::MutexLock lock(&mu_);
    if (!refusal_.ok()) return ToGrpcStatus(refusal_);
    registered_.push_back(*request);
    response->set_run_id("run");
    response->set_epoch(registered_.size());
    response->set_heartbeat_interval_ms(10);
    response->set_heartbeat_timeout_ms(20);
    response->set_model_config_json(WriteModelConfig(TinyModel()));
    response->set_model_digest(ModelDigest(TinyModel()));
    response->set_has_published(true);
    response->set_published_version(published_.version);
    response->set_published_sha256(published_.sha256);
    response->set_config_yaml("rollout: {slots: 3, threads: 1}\n");
    return grpc::Status::OK;
  }

  grpc::Status Heartbeat(grpc::ServerContext*,
                         const v1::HeartbeatRequest* request,
                         v1::HeartbeatResponse* response) override {
    absl::MutexLock lock(&mu_);
    if (request->epoch() != registered_.size()) {
      return ToGrpcStatus(absl::NotFoundError("past epoch"));
    }
    beat_ = *request;
    response->set_has_published(true);
    response->set_published_version(published_.version);
    response->set_published_sha256(published_.sha256);
    response->set_run_finished(finished_);
    return grpc::Status::OK;
  }

  grpc::Status Leave(grpc::ServerContext*, const v1::LeaveRequest* request,
                     v1::LeaveResponse*) override {
    absl::MutexLock lock(&mu_);
    left_ = request->reason();
    return grpc::Status::OK;
  }

  // Waits for a heartbeat that serves the published version.
  bool AwaitServing() {
    absl::MutexLock lock(&mu_);
    auto serving = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return beat_.has_weights() &&
             beat_.policy_version() == published_.version &&
             beat_.weights_digest() == published_.sha256 &&
             beat_.epoch() == registered_.size();
    };
    return mu_.AwaitWithDeadline(absl::Condition(&serving), Soon());
  }

  void Publish(PolicyVersion version) {
    absl::MutexLock lock(&mu_);
    published_ = std::move(version);
  }
  // As a learner that was restarted: every epoch so far is past.
  void Forget() {
    absl::MutexLock lock(&mu_);
    registered_.push_back(registered_.back());
  }
  void FinishRun() {
    absl::MutexLock lock(&mu_);
    finished_ = true;
  }
  void Refuse(absl::Status status) {
    absl::MutexLock lock(&mu_);
    refusal_ = std::move(status);
  }
  v1::RegisterRequest registration() const {
    absl::MutexLock lock(&mu_);
    return registered_.back();
  }
  std::string left() const {
    absl::MutexLock lock(&mu_);
    return left_;
  }

 private:
  mutable absl::Mutex mu_;
  PolicyVersion published_ ABSL_GUARDED_BY(mu_);
  std::vector<v1::RegisterRequest> registered_ ABSL_GUARDED_BY(mu_);
  v1::HeartbeatRequest beat_ ABSL_GUARDED_BY(mu_);
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  std::string left_ ABSL_GUARDED_BY(mu_);
  absl::Status refusal_ ABSL_GUARDED_BY(mu_);
};

std::shared_ptr<const SealedWeights> Seal(uint64_t seed, uint64_t version) {
  return *SealWeights(TinyImage(seed), version, ModelDigest(TinyModel()), 256);
}

PolicyVersion Identity(const SealedWeights& weights) {
  return {weights.manifest.policy_version(), weights.manifest_sha256};
}

absl::StatusOr<std::unique_ptr<GenerationEngine>> MakeFake(
    const GenerationEngine::Options&, MetricRegistry*, Health*) {
  return std::make_unique<FakeGenerationEngine>();
}

class WorkerTest : public ::testing::Test {
 protected:
  WorkerTest()
      : weights_(Seal(1, kVersion)),
        source_([this](const v1::FetchRequest&) { return Newest(); }),
        coordinator_(Identity(*weights_)),
        server_(*RpcServer::Create({.services = {&coordinator_, &source_}})) {
    options_.coordinator = server_->address();
    options_.worker_id = "w0";
    options_.make_engine = MakeFake;
    options_.register_timeout = absl::Milliseconds(200);
    options_.drain_grace = absl::Seconds(1);
  }
  ~WorkerTest() override {
    if (thread_.joinable()) thread_.join();
  }

  absl::StatusOr<std::shared_ptr<const SealedWeights>> Newest() {
    absl::MutexLock lock(&mu_);
    return weights_;
  }

  void Publish(std::shared_ptr<const SealedWeights> weights) {
    coordinator_.Publish(Identity(*weights));
    absl::MutexLock lock(&mu_);
    weights_ = std::move(weights);
  }

  void Start() {
    thread_ = std::thread([this] { result_ = RunRolloutWorker(options_); });
  }

  absl::StatusOr<ExitCode> Join() {
    thread_.join();
    return result_;
  }

  std::unique_ptr<v1::RolloutService::Stub> Stub() {
    return v1::RolloutService::NewStub(
        MakeChannel(coordinator_.registration().address()));
  }

  absl::Mutex mu_;
  std::shared_ptr<const SealedWeights> weights_ ABSL_GUARDED_BY(mu_);
  WeightSource source_;
  FakeCoordinator coordinator_;
  std::unique_ptr<RpcServer> server_;
  WorkerOptions options_;
  std::thread thread_;
  absl::StatusOr<ExitCode> result_;
};

TEST_F(WorkerTest, JoinsFetchesServesAndEndsWithTheRun) {
  options_.make_engine = GenerationEngine::Create;  // the real one
  Start();
  ASSERT_TRUE(coordinator_.AwaitServing());
  EXPECT_EQ(coordinator_.registration().slots(), 3u);  // the run's setting

  v1::GenerateRequest request;
  request.mutable_sampling()->set_temperature(1);
  request.mutable_sampling()->set_max_response_tokens(5);
  v1::PromptRequest& prompt = *request.add_prompts();
  prompt.add_prompt_token_ids(3);
  prompt.add_sample_indices(0);
  prompt.add_trajectory_ids("t");
  grpc::ClientContext context;
  SetDeadline(context, absl::Seconds(10));
  const auto stream = Stub()->Generate(&context, request);
  v1::GenerateResponse response;
  ASSERT_TRUE(stream->Read(&response));
  const v1::Trajectory& trajectory = response.trajectory();
  EXPECT_EQ(trajectory.id(), "t");
  EXPECT_EQ(trajectory.finish(), v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(trajectory.response_token_ids_size(), 5);
  EXPECT_EQ(trajectory.versions(0).policy_version(), kVersion);
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());

  coordinator_.FinishRun();
  const absl::StatusOr<ExitCode> result = Join();
  ASSERT_EQ(result.status(), absl::OkStatus());
  EXPECT_EQ(*result, ExitCode::kDone);
  EXPECT_EQ(coordinator_.left(), "run over");
}

TEST_F(WorkerTest, RegistersAgainWhenItsEpochIsPast) {
  Start();
  ASSERT_TRUE(coordinator_.AwaitServing());
  coordinator_.Forget();
  EXPECT_TRUE(coordinator_.AwaitServing());
  coordinator_.FinishRun();
  EXPECT_EQ(Join().status(), absl::OkStatus());
}

TEST_F(WorkerTest, FollowsALearnerThatResumedFromAnEarlierVersion) {
  Start();
  ASSERT_TRUE(coordinator_.AwaitServing());
  Publish(Seal(2, kVersion - 1));
  coordinator_.Forget();
  EXPECT_TRUE(coordinator_.AwaitServing());
  coordinator_.FinishRun();
  EXPECT_EQ(Join().status(), absl::OkStatus());
}

TEST_F(WorkerTest, ADrainedWorkerLeavesAndIsDone) {
  Start();
  ASSERT_TRUE(coordinator_.AwaitServing());
  grpc::ClientContext context;
  SetDeadline(context, absl::Seconds(5));
  v1::DrainResponse response;
  EXPECT_TRUE(Stub()->Drain(&context, {}, &response).ok());
  const absl::StatusOr<ExitCode> result = Join();
  ASSERT_EQ(result.status(), absl::OkStatus());
  EXPECT_EQ(*result, ExitCode::kDone);
}

TEST_F(WorkerTest, ARefusalIsTheProcessesError) {
  coordinator_.Refuse(absl::FailedPreconditionError("another protocol"));
  Start();
  const absl::Status refused = Join().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_EQ(ExitCodeFor(refused), ExitCode::kConfig);
}

TEST_F(WorkerTest, AnUnreachableCoordinatorIsGivenUpInTime) {
  server_.reset();
  Start();
  const absl::Status unreachable = Join().status();
  EXPECT_TRUE(absl::IsUnavailable(unreachable));
  EXPECT_EQ(ExitCodeFor(unreachable), ExitCode::kResumable);
}

TEST_F(WorkerTest, ALostCoordinatorEndsTheWorkerResumably) {
  Start();
  ASSERT_TRUE(coordinator_.AwaitServing());
  server_.reset();
  const absl::Status lost = Join().status();
  EXPECT_TRUE(absl::IsUnavailable(lost));
  EXPECT_EQ(ExitCodeFor(lost), ExitCode::kResumable);
}

TEST_F(WorkerTest, APortInUseIsNamed) {
  options_.listen = server_->address();
  Start();
  const absl::Status status = Join().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_NE(status.message().find(server_->address()), std::string::npos);
}

}  // namespace
}  // namespace operant::rollout
