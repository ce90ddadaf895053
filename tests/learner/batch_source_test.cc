// The order of events between sampling and scoring, with rollouts and a reward
// server that wait for each other as the test tells them.
#include "learner/batch_source.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/testing/scripted_reward_server.h"

namespace operant::learner {
namespace {

using testing::ScriptedRewardServer;

// No test waits this long unless it fails.
constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr int kPrompts = 2;
constexpr int kSamples = 3;

// Response ids are spoken as digits.
class DigitTokenizer final : public Tokenizer {
 public:
  std::vector<int32_t> Encode(std::string_view, bool) const override {
    return {};
  }
  std::string Decode(std::span<const int32_t> ids, bool) const override {
    std::string text;
    for (int32_t id : ids) absl::StrAppend(&text, id);
    return text;
  }
  int32_t vocab_size() const override { return 10'000; }
  int32_t TokenToId(std::string_view) const override { return -1; }
  bool IsSpecial(int32_t) const override { return false; }
  const std::string& digest() const override { return empty_; }
  const std::string& json() const override { return empty_; }

 private:
  const std::string empty_;
};

// The plan's responses; each says 100 * its prompt + its sample index.
std::vector<v1::Trajectory> ResponsesTo(const GenerationPlan& plan) {
  std::vector<v1::Trajectory> responses;
  for (const auto& prompt : plan.prompts) {
    for (int s = 0; s < prompt.samples; ++s) {
      v1::Trajectory& t = responses.emplace_back();
      t.set_id(absl::StrCat(prompt.cursor, "/", s));
      t.set_group_id(absl::StrCat(prompt.cursor));
      t.mutable_seed_key()->set_prompt_cursor(prompt.cursor);
      t.mutable_seed_key()->set_sample_index(s);
      t.add_response_token_ids(100 * static_cast<int>(prompt.cursor) + s);
      t.add_versions()->set_tokens(1);
    }
  }
  return responses;
}

class ScriptedRollouts final : public RolloutClient {
 public:
  using Script = std::function<absl::Status(
      const GenerationPlan&, const std::vector<v1::Trajectory>&)>;

  explicit ScriptedRollouts(Script script) : script_(std::move(script)) {}

  absl::StatusOr<std::vector<v1::Trajectory>> Generate(
      const GenerationPlan& plan) override {
    std::vector<v1::Trajectory> responses = ResponsesTo(plan);
    const absl::Status status = script_(plan, responses);
    if (!status.ok()) return status;
    return responses;
  }

 private:
  const Script script_;
};

v1::RewardSection Config(const std::string& address) {
  v1::RewardSection config;
  config.set_batch_items(128);
  config.set_on_error("fail");
  config.set_max_abs_score(1e6);
  config.set_unavailable_wait_ms(5000);
  v1::RewardEndpoint& endpoint = *config.add_endpoints();
  endpoint.set_name("double");
  endpoint.set_address(address);
  endpoint.set_weight(1);
  endpoint.set_deadline_ms(60'000);
  return config;
}

class BatchSourceTest : public ::testing::Test {
 protected:
  void Start(const ScriptedRewardServer& server,
             ScriptedRollouts::Script script, uint64_t staleness = 0) {
    rollouts_ = std::make_unique<ScriptedRollouts>(std::move(script));
    rewards_ = RewardGateway::Create({Config(server.address()), "run", ""},
                                     metrics_.get())
                   .value();
    ASSERT_TRUE(rewards_->Handshake().ok());
    source_ = std::make_unique<BatchSource>(
        BatchSource::Options{.run_id = "run",
                             .prompts_per_step = kPrompts,
                             .samples_per_prompt = kSamples,
                             .staleness = staleness,
                             .end_step = 2},
        BatchSource::Parts{.prompts = &prompts_,
                           .rollouts = rollouts_.get(),
                           .rewards = rewards_.get(),
                           .tokenizer = &tokenizer_,
                           .metrics = metrics_.get()},
        /*published=*/0);
  }

  const std::unique_ptr<MetricRegistry> metrics_ = MetricRegistry::Create();
  PromptSource prompts_{
      std::vector<PromptRow>{{.prompt = "a"}, {.prompt = "b"}},
      /*seed=*/1, /*keep_order=*/true};
  DigitTokenizer tokenizer_;
  std::unique_ptr<ScriptedRollouts> rollouts_;
  std::unique_ptr<RewardGateway> rewards_;
  std::unique_ptr<BatchSource> source_;
};

// The score of an item is what its response says.
grpc::Status Read(int, const v1::ScoreRequest& request,
                  v1::ScoreResponse& response) {
  for (int i = 0; i < request.items_size(); ++i) {
    response.mutable_results(i)->set_score(
        std::stod(request.items(i).response()));
  }
  return grpc::Status::OK;
}

void ExpectAligned(const ScoredBatch& batch) {
  ASSERT_EQ(batch.trajectories.size(), kPrompts * kSamples);
  ASSERT_EQ(batch.scores.size(), kPrompts * kSamples);
  for (size_t i = 0; i < batch.scores.size(); ++i) {
    const int said = batch.trajectories[i].response_token_ids(0);
    EXPECT_EQ(batch.responses[i], absl::StrCat(said));
    EXPECT_EQ(batch.scores[i].score, said);
  }
}

TEST_F(BatchSourceTest, AResponseIsScoredWhileOthersAreStillSampled) {
  absl::Notification asked;
  ScriptedRewardServer server(
      [&](int call, const v1::ScoreRequest& request, v1::ScoreResponse& r) {
        if (call == 0) asked.Notify();
        return Read(call, request, r);
      });
  Start(server, [&](const GenerationPlan& plan, const auto& responses) {
    const absl::Status status = plan.counted(responses[4]);
    if (status.ok() && !asked.WaitForNotificationWithTimeout(kPatience))
      return absl::DeadlineExceededError("the first response was not scored");
    return status;
  });
  const auto batch = source_->Next();
  ASSERT_TRUE(batch.ok()) << batch.status();
  ExpectAligned(*batch);
  EXPECT_EQ(server.requests()[0].items(0).response(), "101");
}

TEST_F(BatchSourceTest, TheNextStepIsSampledWhileTheLastScoresAreAwaited) {
  absl::Notification sampling_again;
  ScriptedRewardServer server(
      [&](int call, const v1::ScoreRequest& request, v1::ScoreResponse& r) {
        if (request.step() == 0 &&
            !sampling_again.WaitForNotificationWithTimeout(kPatience))
          return grpc::Status(grpc::StatusCode::INTERNAL, "nobody sampled");
        return Read(call, request, r);
      });
  Start(
      server,
      [&](const GenerationPlan& plan, const auto&) {
        if (plan.step == 1) sampling_again.Notify();
        return absl::OkStatus();
      },
      /*staleness=*/1);
  for (uint64_t step : {0, 1}) {
    const auto batch = source_->Next();
    ASSERT_TRUE(batch.ok()) << batch.status();
    EXPECT_EQ(batch->step, step);
    ExpectAligned(*batch);
  }
}

TEST_F(BatchSourceTest, ResponsesThatNobodyToldOfAreScoredToo) {
  ScriptedRewardServer server(&Read);
  Start(server, [](const GenerationPlan& plan, const auto& responses) {
    return plan.counted(responses[1]);  // the others were in the ledger
  });
  const auto batch = source_->Next();
  ASSERT_TRUE(batch.ok()) << batch.status();
  ExpectAligned(*batch);
}

TEST_F(BatchSourceTest, AScoringErrorEndsTheGeneration) {
  ScriptedRewardServer server(
      [](int, const v1::ScoreRequest&, v1::ScoreResponse& response) {
        response.mutable_results(0)->clear_outcome();
        return grpc::Status::OK;
      });
  Start(server, [](const GenerationPlan& plan, const auto& responses) {
    absl::Status status = plan.counted(responses[0]);
    const absl::Time end = absl::Now() + kPatience;
    // Responses that never come, but for the source's own patience.
    for (size_t i = 1; status.ok() && absl::Now() < end; ++i) {
      absl::SleepFor(absl::Milliseconds(50));
      status = plan.counted(responses[i % responses.size()]);
    }
    return status;
  });
  EXPECT_EQ(source_->AwaitGenerated(0).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(source_->Next().status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace operant::learner
