#include "reward/reward_service.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/rpc.h"
#include "common/reward_client/gateway.h"
#include "gtest/gtest.h"

namespace operant::reward {
namespace {

constexpr absl::Duration kLimit = absl::Seconds(10);

// Scores 1; can be made to wait until the caller leaves.
class FakeScorer : public Scorer {
 public:
  v1::GetInfoResponse Describe() const override {
    v1::GetInfoResponse info;
    info.set_name("fake");
    info.set_version("1");
    return info;
  }

  void Score(const Items& items, const Cancelled& cancelled,
             Results& results) const override {
    for (const v1::ScoreItem& item : items) {
      ++started_;
      const absl::Time limit = absl::Now() + kLimit;
      while (blocked_ && !cancelled() && absl::Now() < limit) {
        absl::SleepFor(absl::Milliseconds(1));
      }
      if (cancelled()) return;
      v1::ScoreResult& result = *results.Add();
      result.set_id(item.id());
      result.set_score(1);
    }
  }

  // Until released, every item waits.
  void Block() { blocked_ = true; }
  void Release() { blocked_ = false; }
  int started() const { return started_; }

 private:
  std::atomic<bool> blocked_ = false;
  mutable std::atomic<int> started_ = 0;
};

v1::ScoreRequest Request(int items, const std::string& id = "r") {
  v1::ScoreRequest request;
  request.set_request_id(id);
  for (int i = 0; i < items; ++i) {
    request.add_items()->set_id(absl::StrCat("item", i));
  }
  return request;
}

class RewardServiceTest : public ::testing::Test {
 protected:
  RewardServiceTest() {
    auto server = RpcServer::Create({"127.0.0.1:0", {&service_}});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    stub_ = v1::RewardService::NewStub(MakeChannel(server_->address()));
  }
  ~RewardServiceTest() override { scorer_.Release(); }

  grpc::Status Score(const v1::ScoreRequest& request,
                     absl::Duration deadline = kLimit) {
    grpc::ClientContext context;
    SetDeadline(context, deadline);
    response_.Clear();
    return stub_->Score(&context, request, &response_);
  }

  bool ReachesStarted(int count) {
    const absl::Time limit = absl::Now() + kLimit;
    while (scorer_.started() < count && absl::Now() < limit) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    return scorer_.started() >= count;
  }

  static constexpr size_t kQueue = 1;
  const std::unique_ptr<MetricRegistry> metrics_ = MetricRegistry::Create();
  FakeScorer scorer_;
  ScoreHandler handler_{
      &scorer_, {.max_batch_items = 4, .max_text_bytes = 100}, metrics_.get()};
  ScoringPool pool_{1, kQueue};
  RewardService service_{&handler_, &pool_};
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<v1::RewardService::Stub> stub_;
  v1::ScoreResponse response_;
};

TEST_F(RewardServiceTest, InfoStatesScorerAndLimits) {
  grpc::ClientContext context;
  SetDeadline(context, kLimit);
  v1::GetInfoResponse info;
  ASSERT_TRUE(stub_->GetInfo(&context, {}, &info).ok());
  EXPECT_EQ(info.name(), "fake");
  EXPECT_EQ(info.api_level(), 1);
  EXPECT_EQ(info.max_batch_items(), 4);
}

TEST_F(RewardServiceTest, EveryItemGetsItsResult) {
  ASSERT_TRUE(Score(Request(3)).ok());
  EXPECT_EQ(response_.request_id(), "r");
  ASSERT_EQ(response_.results_size(), 3);
  EXPECT_EQ(response_.results(2).id(), "item2");
  EXPECT_NE(metrics_->Serialize().find(
                "operant_reward_server_items_total{outcome=\"scored\"} 3"),
            std::string::npos);
}

TEST_F(RewardServiceTest, WrongRequestsAreInvalidArgument) {
  v1::ScoreRequest twice = Request(2);
  twice.mutable_items(1)->set_id("item0");
  v1::ScoreRequest nameless = Request(2);
  nameless.mutable_items(1)->clear_id();
  v1::ScoreRequest lengthy = Request(1);
  lengthy.mutable_items(0)->set_response(std::string(101, 'x'));
  for (const v1::ScoreRequest& request :
       {Request(5), twice, nameless, lengthy}) {
    EXPECT_EQ(Score(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT)
        << request.ShortDebugString();
  }
  EXPECT_EQ(scorer_.started(), 0);
}

TEST_F(RewardServiceTest, FullQueueIsResourceExhausted) {
  scorer_.Block();
  std::atomic<int> refused = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([this, &refused] {
      grpc::ClientContext context;
      SetDeadline(context, kLimit);
      v1::ScoreResponse response;
      const grpc::Status status = stub_->Score(&context, Request(1), &response);
      if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
        ++refused;
        scorer_.Release();
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_GE(refused, 1);  // one runs, one waits
}

TEST_F(RewardServiceTest, CallerThatLeavesFreesTheThread) {
  scorer_.Block();
  EXPECT_EQ(Score(Request(4), absl::Milliseconds(100)).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(ReachesStarted(1));
  // The only thread is free for another, and skipped the first one's rest.
  EXPECT_EQ(Score(Request(1), absl::Milliseconds(500)).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(scorer_.started(), 2);
}

TEST_F(RewardServiceTest, StreamAnswersEveryRequestById) {
  grpc::ClientContext context;
  SetDeadline(context, kLimit);
  const auto stream = stub_->ScoreStream(&context);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(stream->Write(Request(2, absl::StrCat("r", i))));
    v1::ScoreResponse response;
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.request_id(), absl::StrCat("r", i));
    EXPECT_EQ(response.results_size(), 2);
  }
  ASSERT_TRUE(stream->WritesDone());
  v1::ScoreResponse none;
  EXPECT_FALSE(stream->Read(&none));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(RewardServiceTest, StreamFailsAtAWrongRequest) {
  grpc::ClientContext context;
  SetDeadline(context, kLimit);
  const auto stream = stub_->ScoreStream(&context);
  ASSERT_TRUE(stream->Write(Request(5)));
  v1::ScoreResponse none;
  EXPECT_FALSE(stream->Read(&none));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(RewardServiceTest, StreamWhoseCallerLeavesEnds) {
  scorer_.Block();
  {
    grpc::ClientContext context;
    SetDeadline(context, kLimit);
    const auto stream = stub_->ScoreStream(&context);
    ASSERT_TRUE(stream->Write(Request(2)));
    ASSERT_TRUE(ReachesStarted(1));
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  scorer_.Release();
  EXPECT_TRUE(Score(Request(1)).ok());
}

TEST_F(RewardServiceTest, TheGatewayScoresThroughIt) {
  v1::RewardSection config;
  config.set_batch_items(128);  // more than the server takes
  config.set_max_retries(50);   // its queue is tiny
  config.set_on_error("fail");
  config.set_drop_limit(0.05);
  config.set_max_abs_score(1e6);
  v1::RewardEndpoint& endpoint = *config.add_endpoints();
  endpoint.set_name("built-in");
  endpoint.set_address(server_->address());
  endpoint.set_weight(1);
  endpoint.set_deadline_ms(10'000);
  const auto gateway =
      RewardGateway::Create({config, "run", ""}, metrics_.get());
  ASSERT_TRUE(gateway.ok()) << gateway.status();
  ASSERT_TRUE((*gateway)->Handshake().ok());
  const v1::ScoreRequest request = Request(100);
  const auto scores = (*gateway)->Score(
      {request.items().begin(), request.items().end()}, 0, false);
  ASSERT_TRUE(scores.ok()) << scores.status();
  for (const ItemScore& score : *scores) EXPECT_EQ(score.score, 1);
}

}  // namespace
}  // namespace operant::reward
