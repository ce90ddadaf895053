#include "rollout/generation_engine.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/nn/inference_model.h"
#include "gtest/gtest.h"
#include "tests/rollout/small_model.h"

namespace operant::rollout {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(20);
constexpr int32_t kStop = 3;

// What a caller asks for: `samples` of one prompt each.
struct GroupSpec {
  std::vector<int32_t> prompt = {1, 2, 4};
  uint64_t cursor = 0;
  uint32_t samples = 1;
  Sampling sampling = {.max_response_tokens = 30, .stop_token_ids = {kStop}};
};

std::vector<GroupSpec> SomeGroups() {
  std::vector<GroupSpec> groups;
  for (int32_t i = 0; i < 6; ++i) {
    GroupSpec group;
    group.cursor = static_cast<uint64_t>(i);
    group.samples = static_cast<uint32_t>(i % 4 + 1);
    for (int32_t t = 0; t < i * 7; ++t)
      group.prompt.push_back(10 + (t + i) % 40);
    groups.push_back(group);
  }
  return groups;
}

using Trajectories = std::map<std::string, v1::Trajectory>;

// An engine with weights of version 1 and what it has finished.
class Harness {
 public:
  explicit Harness(GenerationEngine::Options options) {
    options.model = SmallModel();
    options.worker_id = "w";
    engine_ = GenerationEngine::Create(options, nullptr, nullptr).value();
  }
  ~Harness() { engine_.reset(); }

  GenerationEngine& engine() { return *engine_; }

  absl::StatusOr<int64_t> Swap(uint64_t version,
                               absl::Duration timeout = kTimeout) {
    return engine_->Swap({version, absl::StrCat("digest", version),
                          engine_->Pack(SmallWeights(version)).value()},
                         absl::Now() + timeout);
  }

  std::vector<SampleRequest> Requests(const GroupSpec& spec) {
    auto group = std::make_shared<SampleGroup>();
    group->group_id = absl::StrCat("g", spec.cursor);
    group->prompt_token_ids = spec.prompt;
    group->sampling = spec.sampling;
    group->run_seed = 42;
    group->prompt_cursor = spec.cursor;
    std::vector<SampleRequest> requests;
    for (uint32_t i = 0; i < spec.samples; ++i) {
      requests.push_back({group, absl::StrCat(spec.cursor, "/", i), i,
                          [this](v1::Trajectory t) { Take(std::move(t)); }});
    }
    return requests;
  }

  absl::Status Submit(const GroupSpec& spec) {
    return engine_->Submit(Requests(spec));
  }

  // Everything that has finished once the engine is idle.
  Trajectories Wait() {
    EXPECT_TRUE(engine_->WaitIdle(absl::Now() + kTimeout));
    absl::MutexLock lock(&mu_);
    return finished_;
  }

  // Blocks the engine's thread inside the first callback until released.
  absl::Notification release;
  bool block_first = false;
  absl::Notification blocked;

 private:
  void Take(v1::Trajectory trajectory) {
    bool first;
    {
      absl::MutexLock lock(&mu_);
      first = finished_.empty();
      std::string id = trajectory.id();
      EXPECT_TRUE(finished_.emplace(id, std::move(trajectory)).second);
    }
    if (!first || !block_first) return;
    blocked.Notify();
    release.WaitForNotificationWithTimeout(kTimeout);
  }

  absl::Mutex mu_;
  Trajectories finished_;
  std::unique_ptr<GenerationEngine> engine_;
};

GenerationEngine::Options WithSlots(int slots, int threads = 1) {
  GenerationEngine::Options options;
  options.inference.slots = slots;
  options.inference.threads = threads;
  return options;
}

Trajectories RunAll(const std::vector<GroupSpec>& groups,
                    const GenerationEngine::Options& options) {
  Harness harness(options);
  EXPECT_TRUE(harness.Swap(1).ok());
  for (const GroupSpec& group : groups) {
    EXPECT_TRUE(harness.Submit(group).ok());
  }
  return harness.Wait();
}

// Serialised, so that floats are compared bit for bit.
void ExpectSame(const Trajectories& a, const Trajectories& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [id, trajectory] : a) {
    ASSERT_TRUE(b.contains(id));
    EXPECT_EQ(trajectory.SerializeAsString(), b.at(id).SerializeAsString())
        << id;
  }
}

TEST(GenerationEngineTest, WhoSharesTheBatchChangesNothing) {
  const std::vector<GroupSpec> groups = SomeGroups();
  const Trajectories together = RunAll(groups, WithSlots(16));
  ASSERT_EQ(together.size(), 13u);
  Trajectories alone;
  for (const GroupSpec& group : groups)
    alone.merge(RunAll({group}, WithSlots(1)));
  ExpectSame(together, alone);
}

TEST(GenerationEngineTest, OrderSlotsAndThreadsChangeNothing) {
  std::vector<GroupSpec> groups = SomeGroups();
  const Trajectories expected = RunAll(groups, WithSlots(16));
  std::reverse(groups.begin(), groups.end());
  ExpectSame(expected, RunAll(groups, WithSlots(3)));
  ExpectSame(expected, RunAll(groups, WithSlots(16, 2)));
}

TEST(GenerationEngineTest, SharingAPromptChangesNothing) {
  GroupSpec group;
  group.samples = 6;
  const Trajectories shared = RunAll({group}, WithSlots(4));
  Harness harness(WithSlots(4));
  ASSERT_TRUE(harness.Swap(1).ok());
  for (uint32_t i = 0; i < 6; ++i) {
    // A group object of its own: nothing is shared.
    std::vector<SampleRequest> requests = harness.Requests(group);
    ASSERT_TRUE(harness.engine().Submit({requests[i]}).ok());
  }
  ExpectSame(shared, harness.Wait());
}

// Interleaved groups make slots change hands while a prompt is still shared.
TEST(GenerationEngineTest, InterleavedGroupsKeepTheirPromptsApart) {
  const std::vector<GroupSpec> groups = SomeGroups();
  const Trajectories expected = RunAll(groups, WithSlots(16));
  for (const int slots : {2, 3, 5}) {
    Harness harness(WithSlots(slots));
    ASSERT_TRUE(harness.Swap(1).ok());
    std::vector<std::vector<SampleRequest>> requests;
    for (const GroupSpec& group : groups) {
      requests.push_back(harness.Requests(group));
    }
    std::vector<SampleRequest> mixed;
    for (size_t i = 0; i < 4; ++i) {
      for (const auto& group : requests) {
        if (i < group.size()) mixed.push_back(group[i]);
      }
    }
    ASSERT_TRUE(harness.engine().Submit(mixed).ok());
    ExpectSame(expected, harness.Wait());
  }
}

TEST(GenerationEngineTest, TrajectoriesKeepTheirInvariants) {
  int stopped = 0;
  for (const auto& [id, t] : RunAll(SomeGroups(), WithSlots(8))) {
    const int n = t.response_token_ids_size();
    ASSERT_GT(n, 0);
    ASSERT_EQ(n, t.response_logprobs_size());
    ASSERT_EQ(t.versions_size(), 1);
    EXPECT_EQ(static_cast<int>(t.versions(0).tokens()), n);
    EXPECT_EQ(t.weights_digest(), "digest1");
    EXPECT_EQ(t.worker_id(), "w");
    EXPECT_EQ(t.seed_key().run_seed(), 42u);
    const bool stop = t.response_token_ids(n - 1) == kStop;
    EXPECT_EQ(t.finish(),
              stop ? v1::FINISH_REASON_STOP : v1::FINISH_REASON_LENGTH);
    EXPECT_TRUE(stop || n == 30) << n;
    for (int i = 0; i + 1 < n; ++i) EXPECT_NE(t.response_token_ids(i), kStop);
    for (const float logprob : t.response_logprobs()) EXPECT_LE(logprob, 0);
    stopped += stop ? 1 : 0;
  }
  EXPECT_GT(stopped, 0);
}

TEST(GenerationEngineTest, LogprobsEqualTheScorers) {
  const Trajectories trajectories = RunAll(SomeGroups(), WithSlots(8));
  auto scorer = InferenceModel::Create(SmallModel(), {.slots = 1}).value();
  scorer->Use(scorer->Pack(SmallWeights(1)).value());
  for (const auto& [id, t] : trajectories) {
    std::vector<int32_t> tokens(t.prompt_token_ids().begin(),
                                t.prompt_token_ids().end());
    tokens.insert(tokens.end(), t.response_token_ids().begin(),
                  t.response_token_ids().end());
    const SequenceTokens sequence = {tokens, t.prompt_token_ids_size()};
    std::vector<TokenScore> scores;
    ASSERT_TRUE(scorer->Score({&sequence, 1}, 1, nullptr, scores).ok());
    for (int i = 0; i < t.response_logprobs_size(); ++i) {
      // The same logits; only log-sum-exp is summed in another order.
      EXPECT_NEAR(scores[static_cast<size_t>(i)].logprob,
                  t.response_logprobs(i), 2e-6);
    }
  }
}

TEST(GenerationEngineTest, TheContextEndsAResponse) {
  GroupSpec group;
  group.prompt.assign(90, 5);
  group.sampling = {.max_response_tokens = 30};
  const Trajectories trajectories = RunAll({group}, WithSlots(1));
  const v1::Trajectory& t = trajectories.begin()->second;
  EXPECT_EQ(t.response_token_ids_size(), 6);
  EXPECT_EQ(t.finish(), v1::FINISH_REASON_LENGTH);
}

TEST(GenerationEngineTest, SwapsWhileDecodingLoseNoTokenAndNoSequence) {
  Harness harness(WithSlots(4));
  ASSERT_TRUE(harness.Swap(1).ok());
  GroupSpec group;
  group.samples = 40;
  group.sampling = {.max_response_tokens = 60};
  ASSERT_TRUE(harness.Submit(group).ok());
  for (uint64_t version = 2; version <= 6; ++version) {
    ASSERT_TRUE(harness.Swap(version).ok());
    EXPECT_EQ(harness.engine().status().version, version);
  }
  const Trajectories all = harness.Wait();
  ASSERT_EQ(all.size(), 40u);
  for (const auto& [id, t] : all) {
    uint32_t tokens = 0;
    uint64_t last = 0;
    for (const v1::VersionSpan& span : t.versions()) {
      EXPECT_GT(span.policy_version(), last);
      last = span.policy_version();
      tokens += span.tokens();
    }
    EXPECT_EQ(tokens, 60u);
    EXPECT_EQ(t.response_token_ids_size(), 60);
    EXPECT_EQ(t.weights_digest(), absl::StrCat("digest", last));
  }
}

TEST(GenerationEngineTest, DrainingEndsASequenceOnTheVersionItBeganWith) {
  GenerationEngine::Options options = WithSlots(2);
  options.drain_before_swap = true;
  Harness harness(options);
  ASSERT_TRUE(harness.Swap(1).ok());
  for (const GroupSpec& group : SomeGroups()) {
    ASSERT_TRUE(harness.Submit(group).ok());
  }
  ASSERT_TRUE(harness.Swap(2).ok());
  for (const auto& [id, t] : harness.Wait()) EXPECT_EQ(t.versions_size(), 1);
}

TEST(GenerationEngineTest, AGroupAfterASwapSamplesWithTheNewWeightsOnly) {
  GroupSpec group;
  Harness harness(WithSlots(2));
  ASSERT_TRUE(harness.Swap(1).ok());
  group.samples = 2;
  const std::vector<SampleRequest> requests = harness.Requests(group);
  ASSERT_TRUE(harness.engine().Submit({requests[0]}).ok());
  harness.Wait();
  ASSERT_TRUE(harness.Swap(2).ok());
  ASSERT_TRUE(harness.engine().Submit({requests[1]}).ok());
  const v1::Trajectory actual = harness.Wait().at("0/1");
  Harness fresh(WithSlots(2));
  ASSERT_TRUE(fresh.Swap(2).ok());
  ASSERT_TRUE(fresh.engine().Submit({fresh.Requests(group)[1]}).ok());
  EXPECT_EQ(actual.SerializeAsString(),
            fresh.Wait().at("0/1").SerializeAsString());
}

TEST(GenerationEngineTest, CancelAbortsWhatRunsAndWhatWaits) {
  Harness harness(WithSlots(1));
  ASSERT_TRUE(harness.Swap(1).ok());
  harness.block_first = true;
  GroupSpec group;
  group.samples = 4;
  group.sampling = {.max_response_tokens = 10};
  ASSERT_TRUE(harness.Submit(group).ok());
  ASSERT_TRUE(harness.blocked.WaitForNotificationWithTimeout(kTimeout));
  EXPECT_EQ(harness.engine().Cancel({"0/2", "nobody"}), 1);
  EXPECT_EQ(harness.engine().Cancel({"0/2"}), 0);
  harness.release.Notify();
  const Trajectories all = harness.Wait();
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all.at("0/2").finish(), v1::FINISH_REASON_ABORTED);
  EXPECT_EQ(all.at("0/3").finish(), v1::FINISH_REASON_LENGTH);
}

TEST(GenerationEngineTest, DestructionAbortsEverything) {
  absl::BlockingCounter called(40);
  std::atomic<int> aborted{0};
  {
    Harness harness(WithSlots(2));
    ASSERT_TRUE(harness.Swap(1).ok());
    GroupSpec group;
    group.samples = 40;
    group.sampling = {.max_response_tokens = 90};
    std::vector<SampleRequest> requests = harness.Requests(group);
    for (SampleRequest& request : requests) {
      request.on_finished = [&](v1::Trajectory t) {
        if (t.finish() == v1::FINISH_REASON_ABORTED) ++aborted;
        called.DecrementCount();
      };
    }
    ASSERT_TRUE(harness.engine().Submit(std::move(requests)).ok());
  }
  called.Wait();
  EXPECT_GT(aborted, 0);
}

TEST(GenerationEngineTest, AbortAllLeavesTheEngineIdle) {
  Harness harness(WithSlots(1));
  ASSERT_TRUE(harness.Swap(1).ok());
  harness.block_first = true;
  GroupSpec group;
  group.samples = 9;
  ASSERT_TRUE(harness.Submit(group).ok());
  ASSERT_TRUE(harness.blocked.WaitForNotificationWithTimeout(kTimeout));
  EXPECT_GE(harness.engine().AbortAll(), 8);
  harness.release.Notify();
  EXPECT_EQ(harness.Wait().size(), 9u);
  EXPECT_EQ(harness.engine().status().running, 0);
  EXPECT_EQ(harness.engine().status().waiting, 0);
}

TEST(GenerationEngineTest, SubmitNeedsWeights) {
  Harness harness(WithSlots(1));
  EXPECT_EQ(harness.Submit({}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(harness.engine().status().has_weights);
}

TEST(GenerationEngineTest, SubmitIsAllOrNothingAtTheQueuesBound) {
  GenerationEngine::Options options = WithSlots(1);
  options.queue_samples = 4;
  Harness harness(options);
  ASSERT_TRUE(harness.Swap(1).ok());
  GroupSpec group;
  group.samples = 5;
  EXPECT_EQ(harness.Submit(group).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(harness.Wait().empty());
  group.samples = 4;
  EXPECT_TRUE(harness.Submit(group).ok());
  EXPECT_EQ(harness.Wait().size(), 4u);
}

TEST(GenerationEngineTest, SubmitRefusesWhatCanNeverRun) {
  Harness harness(WithSlots(1));
  ASSERT_TRUE(harness.Swap(1).ok());
  GroupSpec empty;
  empty.prompt = {};
  GroupSpec outside;
  outside.prompt = {50};
  GroupSpec full;
  full.prompt.assign(96, 1);
  GroupSpec sampling;
  sampling.sampling.top_p = 2;
  for (const GroupSpec& group : {empty, outside, full, sampling}) {
    EXPECT_EQ(harness.Submit(group).code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(GenerationEngineTest, ASwapWithoutABoundaryLeavesTheOldVersion) {
  Harness harness(WithSlots(1));
  ASSERT_TRUE(harness.Swap(1).ok());
  harness.block_first = true;
  ASSERT_TRUE(harness.Submit({}).ok());
  ASSERT_TRUE(harness.blocked.WaitForNotificationWithTimeout(kTimeout));
  EXPECT_EQ(harness.Swap(2, absl::Milliseconds(20)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  harness.release.Notify();
  harness.Wait();
  EXPECT_EQ(harness.engine().status().version, 1u);
}

TEST(GenerationEngineTest, BrokenWeightsFailTheSampleAndNotTheEngine) {
  Harness harness(WithSlots(2));
  WeightImage image = SmallWeights(1);
  const WeightTensor& norm = *image.Find("model.norm.weight");
  *reinterpret_cast<float*>(image.data(norm)) = NAN;
  ASSERT_TRUE(harness.engine()
                  .Swap({1, "d", harness.engine().Pack(image).value()},
                        absl::Now() + kTimeout)
                  .ok());
  ASSERT_TRUE(harness.Submit({}).ok());
  EXPECT_EQ(harness.Wait().at("0/0").finish(), v1::FINISH_REASON_ABORTED);
  ASSERT_TRUE(harness.Swap(2).ok());
  GroupSpec next;
  next.cursor = 1;
  ASSERT_TRUE(harness.Submit(next).ok());
  EXPECT_NE(harness.Wait().at("1/0").finish(), v1::FINISH_REASON_ABORTED);
}

TEST(GenerationEngineTest, MetricsCountSequencesAndTokens) {
  const auto metrics = MetricRegistry::Create();
  Health health;
  GenerationEngine::Options options = WithSlots(2);
  options.model = SmallModel();
  auto engine =
      GenerationEngine::Create(options, metrics.get(), &health).value();
  ASSERT_TRUE(engine
                  ->Swap({1, "d", engine->Pack(SmallWeights(1)).value()},
                         absl::Now() + kTimeout)
                  .ok());
  auto group = std::make_shared<SampleGroup>();
  group->prompt_token_ids = {1, 2, 4};
  group->sampling.max_response_tokens = 5;
  const auto ignore = [](v1::Trajectory) {};
  ASSERT_TRUE(
      engine->Submit({{group, "a", 0, ignore}, {group, "b", 1, ignore}}).ok());
  ASSERT_TRUE(engine->WaitIdle(absl::Now() + kTimeout));
  const auto tokens = [&](const std::string& kind) {
    return metrics
        ->AddCounter("operant_rollout_tokens_total", "", {{"kind", kind}})
        .value();
  };
  EXPECT_EQ(tokens("prompt"), 3);
  EXPECT_EQ(tokens("generated"), 10);
  EXPECT_EQ(metrics
                ->AddCounter("operant_rollout_sequences_total", "",
                             {{"finish_reason", "length"}})
                .value(),
            2);
  // An engine without work may be silent for ever, once its thread rests.
  const absl::Time deadline = absl::Now() + kTimeout;
  while (!health.live(absl::InfiniteFuture()).ok && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_TRUE(health.live(absl::InfiniteFuture()).ok);
}

}  // namespace
}  // namespace operant::rollout
