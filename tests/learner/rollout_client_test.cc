// The rollout client against workers that are real gRPC servers with scripted
// behaviour.
#include "learner/rollout_client.h"

#include <atomic>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/rpc.h"
#include "gtest/gtest.h"
#include "operant/v1/coordinator.grpc.pb.h"
#include "operant/v1/rollout.grpc.pb.h"

namespace operant::learner {
namespace {

constexpr int32_t kEos = 0;

// Answers each sample with one stop token, or breaks as told.
class ScriptedWorker final : public v1::RolloutService::Service {
 public:
  enum class Behaviour { kGood, kEndsEarly, kUnavailable, kSpoilsFirst };

  explicit ScriptedWorker(Behaviour behaviour) : behaviour_(behaviour) {
    server_ = RpcServer::Create({.services = {this}}).value();
  }

  grpc::Status Generate(
      grpc::ServerContext*, const v1::GenerateRequest* request,
      grpc::ServerWriter<v1::GenerateResponse>* writer) override {
    ++calls_;
    if (behaviour_ == Behaviour::kUnavailable)
      return {grpc::StatusCode::UNAVAILABLE, "draining"};
    for (const auto& prompt : request->prompts()) {
      for (int i = 0; i < prompt.trajectory_ids_size(); ++i) {
        writer->Write(Answer(prompt, i));
        if (behaviour_ == Behaviour::kEndsEarly) return grpc::Status::OK;
      }
    }
    return grpc::Status::OK;
  }

  // Set before the first call.
  uint64_t version = 1;
  std::string weights_digest;

  std::string address() const { return server_->address(); }
  int calls() const { return calls_; }

 private:
  v1::GenerateResponse Answer(const v1::PromptRequest& prompt, int i) {
    v1::GenerateResponse response;
    v1::Trajectory* t = response.mutable_trajectory();
    t->set_id(prompt.trajectory_ids(i));
    t->mutable_seed_key()->set_prompt_cursor(prompt.prompt_cursor());
    t->mutable_seed_key()->set_sample_index(prompt.sample_indices(i));
    *t->mutable_prompt_token_ids() = prompt.prompt_token_ids();
    t->add_response_token_ids(kEos);
    const bool spoil =
        behaviour_ == Behaviour::kSpoilsFirst && !spoiled_.exchange(true);
    t->add_response_logprobs(spoil ? 1.0f : -1.0f);
    t->set_finish(v1::FINISH_REASON_STOP);
    v1::VersionSpan* span = t->add_versions();
    span->set_policy_version(version);
    span->set_tokens(1);
    t->set_weights_digest(weights_digest);
    t->set_worker_id(address());
    return response;
  }

  const Behaviour behaviour_;
  std::atomic<int> calls_{0};
  std::atomic<bool> spoiled_{false};
  std::unique_ptr<RpcServer> server_;
};

// A coordinator whose members are scripted workers, all up to date.
class RolloutClientTest : public ::testing::Test {
 protected:
  void Join(ScriptedWorker& worker, int slots = 4) {
    worker.version = version_;
    worker.weights_digest = digest_;
    v1::RegisterRequest request;
    request.set_protocol_version(1);
    request.set_worker_id(worker.address());
    request.set_address(worker.address());
    request.set_slots(slots);
    v1::RegisterResponse response;
    grpc::ClientContext context;
    SetDeadline(context, absl::Seconds(5));
    ASSERT_TRUE(stub_->Register(&context, request, &response).ok());
    coordinator_->RecordServing(
        {.id = worker.address(), .epoch = response.epoch()}, version_, digest_);
  }

  absl::StatusOr<std::vector<v1::Trajectory>> Generate(int prompts,
                                                       int samples) {
    return Generate(prompts, samples, nullptr);
  }
  absl::StatusOr<std::vector<v1::Trajectory>> Generate(
      int prompts, int samples,
      std::function<absl::Status(const v1::Trajectory&)> counted) {
    GenerationPlan plan;
    plan.counted = std::move(counted);
    plan.run_id = "run";
    plan.rules.min_policy_version = 1;
    plan.rules.vocab_size = 10;
    plan.rules.sampling.add_stop_token_ids(kEos);
    for (int i = 0; i < prompts; ++i) {
      plan.prompts.push_back(
          {.cursor = uint64_t(i), .token_ids = {1 + i}, .samples = samples});
    }
    return client_->Generate(plan);
  }

  void SetUp() override {
    server_ = RpcServer::Create({.services = coordinator_->services()}).value();
    stub_ = v1::CoordinatorService::NewStub(MakeChannel(server_->address()));
    Publish(1);
  }

  // Before it is pushed to any worker.
  void Publish(uint64_t version) {
    auto image = std::make_shared<WeightImage>(
        std::vector<WeightTensor>{{.name = "w", .shape = {4}}});
    std::fill(image->bytes().begin(), image->bytes().end(), std::byte{0});
    auto sealed = SealWeights(image, version, "model").value();
    version_ = version;
    digest_ = sealed->manifest_sha256;
    coordinator_->SetPublished(sealed);
  }

  std::unique_ptr<MetricRegistry> metrics_ = MetricRegistry::Create();
  std::unique_ptr<Coordinator> coordinator_ = Coordinator::Create(
      {.limits = {.heartbeat_timeout = absl::Seconds(30)}}, metrics_.get());
  std::unique_ptr<RolloutClient> client_ = RolloutClient::Create(
      {.worker_wait = absl::Seconds(1), .max_attempts = 3}, coordinator_.get(),
      metrics_.get());
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<v1::CoordinatorService::Stub> stub_;
  uint64_t version_ = 0;
  std::string digest_;
};

// One worker has the weights and samples with them while the push to another
// is on its way.
TEST_F(RolloutClientTest, WhatIsSampledDuringThePushCounts) {
  ScriptedWorker quick(ScriptedWorker::Behaviour::kGood);
  Publish(2);
  Join(quick);
  const auto all = Generate(/*prompts=*/4, /*samples=*/2).value();
  ASSERT_EQ(all.size(), 8u);
  EXPECT_EQ(all[0].versions(0).policy_version(), 2u);
}

TEST_F(RolloutClientTest, EverySampleComesOnceInOrder) {
  ScriptedWorker worker(ScriptedWorker::Behaviour::kGood);
  Join(worker);
  const auto all = Generate(/*prompts=*/10, /*samples=*/3).value();
  ASSERT_EQ(all.size(), 30u);
  for (int i = 0; i < 30; ++i) {
    EXPECT_EQ(all[i].prompt_token_ids(0), 1 + i / 3);
    EXPECT_EQ(all[i].seed_key().sample_index(), uint32_t(i % 3));
  }
}

TEST_F(RolloutClientTest, TwoWorkersShareTheWork) {
  ScriptedWorker a(ScriptedWorker::Behaviour::kGood);
  ScriptedWorker b(ScriptedWorker::Behaviour::kGood);
  Join(a);
  Join(b);
  ASSERT_EQ(Generate(50, 4).value().size(), 200u);
  EXPECT_GT(a.calls(), 0);
  EXPECT_GT(b.calls(), 0);
}

TEST_F(RolloutClientTest, WhatOneWorkerDoesNotFinishGoesToAnother) {
  ScriptedWorker broken(ScriptedWorker::Behaviour::kUnavailable);
  ScriptedWorker good(ScriptedWorker::Behaviour::kGood);
  Join(broken);
  Join(good);
  const auto all = Generate(10, 4).value();
  ASSERT_EQ(all.size(), 40u);
  EXPECT_GT(broken.calls(), 0);
  for (const v1::Trajectory& t : all) EXPECT_EQ(t.worker_id(), good.address());
}

TEST_F(RolloutClientTest, AStreamThatEndsEarlyOwesTheRest) {
  ScriptedWorker worker(ScriptedWorker::Behaviour::kEndsEarly);
  Join(worker, /*slots=*/1);
  EXPECT_EQ(Generate(1, 2).value().size(), 2u);
  EXPECT_EQ(worker.calls(), 2);
}

TEST_F(RolloutClientTest, ARefusedTrajectoryIsSampledAgain) {
  ScriptedWorker worker(ScriptedWorker::Behaviour::kSpoilsFirst);
  Join(worker);
  const auto all = Generate(2, 2).value();
  ASSERT_EQ(all.size(), 4u);
  for (const v1::Trajectory& t : all) EXPECT_EQ(t.response_logprobs(0), -1);
}

TEST_F(RolloutClientTest, EachResponseIsToldOnce) {
  ScriptedWorker worker(ScriptedWorker::Behaviour::kSpoilsFirst);
  Join(worker);
  std::multiset<std::string> told;
  const auto all = Generate(5, 2, [&](const v1::Trajectory& t) {
                     EXPECT_EQ(t.response_logprobs(0), -1);
                     told.insert(t.id());
                     return absl::OkStatus();
                   }).value();
  std::multiset<std::string> expected;
  for (const v1::Trajectory& t : all) expected.insert(t.id());
  EXPECT_EQ(told, expected);
}

TEST_F(RolloutClientTest, AnErrorOfWhoIsToldEndsTheGeneration) {
  ScriptedWorker worker(ScriptedWorker::Behaviour::kGood);
  Join(worker);
  EXPECT_EQ(Generate(5, 2,
                     [](const v1::Trajectory&) {
                       return absl::DataLossError("no score");
                     })
                .status()
                .code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(RolloutClientTest, WithoutAWorkerItSaysHowToStartOne) {
  const absl::Status status = Generate(1, 1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("operant rollout"), std::string::npos);
}

TEST_F(RolloutClientTest, AWorkerThatJoinsMidWayIsUsed) {
  ScriptedWorker worker(ScriptedWorker::Behaviour::kGood);
  std::thread late([&] {
    absl::SleepFor(absl::Milliseconds(100));
    Join(worker);
  });
  EXPECT_EQ(Generate(2, 2).value().size(), 4u);
  late.join();
}

}  // namespace
}  // namespace operant::learner
