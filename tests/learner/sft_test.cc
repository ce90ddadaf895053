#include "learner/sft.h"

#include <unistd.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/config.h"
#include "common/base/exit_code.h"
#include "common/base/file_io.h"
#include "common/base/shutdown.h"
#include "common/nn/weight_image.h"
#include "common/text/tokenizer.h"
#include "gtest/gtest.h"
#include "learner/sft_data.h"

namespace operant::learner {
namespace {

std::string TempPath(const std::string& name) {
  const std::string path =
      absl::StrCat(testing::TempDir(), "/sft_test_", getpid(), "_", name);
  EXPECT_TRUE(RemoveTree(path).ok());
  EXPECT_TRUE(RemoveTree(path + ".checkpoints").ok());
  return path;
}

// Rows whose response follows from the prompt.
std::string WriteRows(const std::string& name, int rows) {
  std::string text;
  for (int i = 0; i < rows; ++i) {
    const char letter = static_cast<char>('a' + i % 8);
    absl::StrAppend(&text, R"({"prompt": "say )", std::string(1, letter),
                    R"(", "response": " )", std::string(3, letter), "\"}\n");
  }
  const std::string path = TempPath(name + ".jsonl");
  EXPECT_TRUE(WriteFileAtomically(path, text).ok());
  return path;
}

v1::RunConfig TinyConfig(const std::string& out, const std::string& data) {
  auto config = LoadConfig(
      {},
      {"model.init=random", "model.hidden_size=16",
       "model.intermediate_size=32", "model.num_hidden_layers=1",
       "model.num_attention_heads=2", "model.max_position_embeddings=32",
       "tokenizer.train_vocab_size=300", "sft.batch_tokens=128", "sft.epochs=4",
       "sft.learning_rate=0.01", "sft.warmup_steps=2", "sft.threads=1",
       "sft.device=cpu", "sft.out=" + out, "data.sft=" + data});
  EXPECT_TRUE(config.ok()) << config.status();
  ResolveDefaults(*config);
  config->mutable_sft()->set_checkpoint_every_steps(0);
  return *std::move(config);
}

absl::StatusOr<SftResult> RunQuietly(const v1::RunConfig& config) {
  return RunSft(config, [](const SftProgress&) {});
}

TEST(SftTest, LearnsAndWritesAFolderThatLoads) {
  const std::string data = WriteRows("learn", 200);
  v1::RunConfig config = TinyConfig(TempPath("learn_out"), data);
  config.mutable_data()->set_sft_eval(data);
  SftProgress last;
  const auto result =
      RunSft(config, [&last](const SftProgress& p) { last = p; });
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(last.step, result->steps);
  EXPECT_EQ(last.total_steps, result->steps);
  // Uniform over ~290 tokens is 5.7 nats; the rows are almost deterministic.
  EXPECT_LT(result->loss, 1.5);
  ASSERT_TRUE(result->eval_perplexity.has_value());
  EXPECT_LT(*result->eval_perplexity, 4);

  const auto model = LoadHfModel(config.sft().out());
  ASSERT_TRUE(model.ok()) << model.status();
  const auto tokenizer = Tokenizer::Load(config.sft().out());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ(model->config.vocab_size, (*tokenizer)->vocab_size());
  EXPECT_EQ(model->config.eos_token_ids.at(0),
            (*tokenizer)->TokenToId("<|endoftext|>"));
  for (const char* file : {"tokenizer_config.json", "generation_config.json"}) {
    EXPECT_TRUE(FileExists(JoinPath(config.sft().out(), file))) << file;
  }
  EXPECT_FALSE(FileExists(config.sft().out() + ".checkpoints"));
}

// The same weights but for rounding: every learner.* key is obeyed.
TEST(SftTest, LearnsAlikeInBf16AndWithRecomputedLayers) {
  const std::string data = WriteRows("alike", 200);
  const auto loss = [&data](const std::string& name, const char* dtype,
                            const char* recompute) {
    v1::RunConfig config = TinyConfig(TempPath(name), data);
    config.mutable_learner()->set_dtype(dtype);
    config.mutable_learner()->set_recompute(recompute);
    const auto result = RunQuietly(config);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->loss : 0;
  };
  const double expected = loss("alike_fp32", "fp32", "none");
  EXPECT_NEAR(loss("alike_layer", "fp32", "layer"), expected, 1e-3);
  const double bf16 = loss("alike_bf16", "bf16", "none");
  EXPECT_NEAR(bf16, expected, 0.1 * expected);
  EXPECT_NE(bf16, expected) << "computed in fp32";
}

TEST(SftTest, AStoppedRunGoesOnToTheSameWeights) {
  const std::string data = WriteRows("resume", 60);
  const v1::RunConfig whole = TinyConfig(TempPath("whole"), data);
  ASSERT_TRUE(RunQuietly(whole).ok());

  const v1::RunConfig cut = TinyConfig(TempPath("cut"), data);
  RequestShutdown(StopSignal::kTerminate);
  const auto stopped = RunQuietly(cut);
  RequestShutdown(StopSignal::kNone);
  ASSERT_EQ(stopped.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(ExitCodeFor(stopped.status()), ExitCode::kResumable);
  EXPECT_FALSE(FileExists(cut.sft().out()));
  const auto resumed = RunQuietly(cut);
  ASSERT_TRUE(resumed.ok()) << resumed.status();

  const std::string name = "model.safetensors";
  EXPECT_EQ(*ReadFile(JoinPath(whole.sft().out(), name)),
            *ReadFile(JoinPath(cut.sft().out(), name)));
}

TEST(SftTest, RefusesCheckpointsOfAnotherConfiguration) {
  const std::string data = WriteRows("other", 60);
  v1::RunConfig config = TinyConfig(TempPath("other_out"), data);
  RequestShutdown(StopSignal::kInterrupt);
  EXPECT_EQ(ExitCodeFor(RunQuietly(config).status()), ExitCode::kInterrupted);
  RequestShutdown(StopSignal::kNone);
  config.mutable_sft()->set_learning_rate(0.02);
  EXPECT_EQ(RunQuietly(config).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(SftTest, RefusesToWriteOverAFolder) {
  const v1::RunConfig config =
      TinyConfig(TempPath("taken"), WriteRows("taken", 8));
  ASSERT_TRUE(MakeDirectories(config.sft().out()).ok());
  EXPECT_EQ(RunQuietly(config).status().code(),
            absl::StatusCode::kAlreadyExists);
}

TEST(SftTest, StartsFromAFolder) {
  const std::string data = WriteRows("base", 60);
  const v1::RunConfig base = TinyConfig(TempPath("base_out"), data);
  ASSERT_TRUE(RunQuietly(base).ok());
  v1::RunConfig tuned = TinyConfig(TempPath("tuned_out"), data);
  tuned.mutable_model()->set_init("folder");
  tuned.mutable_model()->set_path(base.sft().out());
  const auto result = RunQuietly(tuned);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(*ReadFile(JoinPath(tuned.sft().out(), "tokenizer.json")),
            *ReadFile(JoinPath(base.sft().out(), "tokenizer.json")));
}

TEST(SftTest, SaysWhichRowIsTooLong) {
  const std::string path = TempPath("long.jsonl");
  // No pair comes twice, so nothing merges.
  const std::string response = "abcdefghijklmnopqrstuvwxyz0123456789";
  ASSERT_TRUE(WriteFileAtomically(
                  path, absl::StrCat(R"({"prompt": "a", "response": "b"})",
                                     "\n", R"({"prompt": "a", "response": ")",
                                     response, "\"}\n"))
                  .ok());
  v1::RunConfig config = TinyConfig(TempPath("long_out"), path);
  const auto result = RunQuietly(config);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(result.status().message().find("line 2"), std::string::npos)
      << result.status();
  config.mutable_data()->set_overlong("drop");
  EXPECT_TRUE(RunQuietly(config).ok());
}

std::vector<SftRow> RowsOfLengths(const std::vector<int>& lengths) {
  std::vector<SftRow> rows;
  for (const int length : lengths) {
    rows.push_back({std::vector<int32_t>(length, 1), 1});
  }
  return rows;
}

TEST(SftBatchesTest, AnEpochHasEveryRowOnceInAnOrderOfItsOwn) {
  const auto rows = RowsOfLengths(std::vector<int>(100, 10));
  std::set<std::vector<std::vector<int64_t>>> plans;
  for (const int epoch : {0, 1, 2}) {
    const auto plan = PlanEpoch(rows, 64, 1, epoch);
    std::vector<int64_t> seen;
    for (const auto& batch : plan) {
      seen.insert(seen.end(), batch.begin(), batch.end());
    }
    std::sort(seen.begin(), seen.end());
    ASSERT_EQ(seen.size(), 100u);
    EXPECT_EQ(seen.front(), 0);
    EXPECT_EQ(seen.back(), 99);
    EXPECT_EQ(std::unique(seen.begin(), seen.end()), seen.end());
    EXPECT_EQ(plan, PlanEpoch(rows, 64, 1, epoch))
        << "depends on the key alone";
    plans.insert(plan);
  }
  EXPECT_EQ(plans.size(), 3u);
}

TEST(SftBatchesTest, BatchesAreCutWhenTheyReachTheTokens) {
  const auto rows = RowsOfLengths(std::vector<int>(10, 10));
  const auto plan = PlanEpoch(rows, 25, 1, 0);
  ASSERT_EQ(plan.size(), 4u);
  EXPECT_EQ(plan[0].size(), 3u);
  EXPECT_EQ(plan[3].size(), 1u);
}

TEST(SftBatchesTest, AStepsBatchDoesNotDependOnWhereTheRunBegan) {
  const auto rows = RowsOfLengths({3, 9, 4, 7, 5, 6, 2, 8});
  SftBatches whole(rows, 12, 9);
  SftBatches resumed(rows, 12, 9);
  for (int step = 0; step < 20; ++step) whole.BatchOf(step);
  EXPECT_EQ(whole.BatchOf(20), resumed.BatchOf(20));
}

}  // namespace
}  // namespace operant::learner
