#include "learner/rm.h"

#include <torch/torch.h>
#include <unistd.h>

#include <cmath>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/config.h"
#include "common/base/exit_code.h"
#include "common/base/file_io.h"
#include "common/base/shutdown.h"
#include "common/nn/sequence_classifier.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "learner/preference_loss.h"
#include "learner/sft.h"
#include "reward/preference_scorer.h"

namespace operant::learner {
namespace {

using ::testing::HasSubstr;

TEST(PreferenceLossTest, IsTheLogisticLossOfTheDifference) {
  const at::Tensor chosen = torch::tensor({2.0, 0.0, 1.0});
  const at::Tensor rejected = torch::tensor({1.0, 0.0, 3.0});
  const at::Tensor margin = torch::tensor({0.0, 0.0, 0.5});
  const at::Tensor loss = PreferenceLoss(chosen, rejected, margin, 0);
  // log(1 + e^-1), log 2, log(1 + e^2.5).
  EXPECT_NEAR(loss[0].item<double>(), 0.3132616875182228, 1e-6);
  EXPECT_NEAR(loss[1].item<double>(), 0.6931471805599453, 1e-6);
  EXPECT_NEAR(loss[2].item<double>(), 2.578889734292549, 1e-6);
}

TEST(PreferenceLossTest, CentringAddsTheSquareOfTheSum) {
  const at::Tensor one = torch::tensor({1.0});
  const at::Tensor two = torch::tensor({2.0});
  const at::Tensor zero = torch::tensor({0.0});
  EXPECT_NEAR(
      (PreferenceLoss(one, two, zero, 0.1) - PreferenceLoss(one, two, zero, 0))
          .item<double>(),
      0.9, 1e-6);
}

// d/d(r_c) -log sigmoid(r_c - r_r) = -(1 - sigmoid(r_c - r_r)).
TEST(PreferenceLossTest, PullsTheSidesApartByWhatIsNotBelievedYet) {
  const at::Tensor chosen = torch::tensor({0.5}).requires_grad_();
  const at::Tensor rejected = torch::tensor({-0.5}).requires_grad_();
  PreferenceLoss(chosen, rejected, torch::tensor({0.0}), 0).sum().backward();
  const double doubt = 1 - 1 / (1 + std::exp(-1.0));
  EXPECT_NEAR(chosen.grad().item<double>(), -doubt, 1e-6);
  EXPECT_NEAR(rejected.grad().item<double>(), doubt, 1e-6);
}

// Responses with an "x" are worse, whatever else they say.
class RewardModelTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = absl::StrCat(testing::TempDir(), "/rm_test_", getpid());
    ASSERT_TRUE(RemoveTree(folder_).ok());
    ASSERT_TRUE(MakeDirectories(folder_).ok());
    std::string rows;
    for (int i = 0; i < 26; ++i)
      absl::StrAppend(&rows, R"({"prompt": "say", "response": " )",
                      std::string(1, static_cast<char>('a' + i)), " q\"}\n");
    ASSERT_TRUE(WriteFileAtomically(folder_ + "/sft.jsonl", rows).ok());
    ASSERT_TRUE(RunSft(Config({"model.init=random", "sft.epochs=1",
                               "sft.out=" + folder_ + "/start",
                               "data.sft=" + folder_ + "/sft.jsonl"}),
                       [](const SftProgress&) {})
                    .ok());
    ASSERT_TRUE(WriteFileAtomically(folder_ + "/pairs.jsonl", Pairs(0)).ok());
    ASSERT_TRUE(WriteFileAtomically(folder_ + "/held.jsonl", Pairs(7)).ok());
  }
  static void TearDownTestSuite() { RemoveTree(folder_).IgnoreError(); }

  static std::string Pairs(int shift) {
    std::string rows;
    for (int i = 0; i < 60; ++i) {
      const char a = static_cast<char>('a' + (i + shift) % 20);
      const char b = static_cast<char>('a' + (3 * i + shift) % 20);
      absl::StrAppend(&rows, R"({"prompt": "say", "chosen": " )",
                      std::string({a, ' ', b}), R"(", "rejected": " )",
                      std::string({b, ' ', 'x'}), "\"}\n");
    }
    return rows;
  }
  static v1::RunConfig Config(std::vector<std::string> overrides) {
    for (const char* setting :
         {"model.hidden_size=16", "model.intermediate_size=32",
          "model.num_hidden_layers=1", "model.num_attention_heads=2",
          "model.max_position_embeddings=24", "tokenizer.train_vocab_size=270",
          "sft.threads=1", "sft.device=cpu", "rm.threads=1", "rm.device=cpu",
          "rm.epochs=20", "rm.batch_pairs=16", "rm.learning_rate=0.01",
          "rm.warmup_steps=2"}) {
      overrides.insert(overrides.begin(), setting);
    }
    auto config = LoadConfig({}, overrides);
    EXPECT_TRUE(config.ok()) << config.status();
    ResolveDefaults(*config);
    return *std::move(config);
  }
  static v1::RunConfig RmConfig(const std::string& out,
                                std::vector<std::string> more = {}) {
    more.insert(more.begin(),
                {"model.path=" + folder_ + "/start",
                 "data.preferences=" + folder_ + "/pairs.jsonl",
                 "data.preferences_eval=" + folder_ + "/held.jsonl",
                 "rm.out=" + folder_ + "/" + out});
    return Config(more);
  }
  static absl::StatusOr<RmResult> Run(const v1::RunConfig& config) {
    return RunRm(config, [](const RmProgress&) {});
  }

  static std::string folder_;
};
std::string RewardModelTest::folder_;

TEST_F(RewardModelTest, LearnsARuleThatItSeesInPairsOnlyAndIsServed) {
  const auto result = Run(RmConfig("served"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GE(result->held_out->accuracy, 0.95);

  v1::PreferenceModel served;
  served.set_path(folder_ + "/served");
  served.set_device("cpu");
  served.set_mean(result->trained.mean);
  served.set_std(result->trained.std);
  const auto scorer = reward::PreferenceScorer::Create(served, 2);
  ASSERT_TRUE(scorer.ok()) << scorer.status();
  reward::Scorer::Items items;
  for (const char* text : {" c d", " c x", " f g", " f x"}) {
    v1::ScoreItem& item = *items.Add();
    item.set_id(text);
    item.set_prompt("say");
    item.set_response(text);
    item.set_finish(v1::FINISH_REASON_STOP);
  }
  v1::ScoreItem& overlong = *items.Add();
  overlong.set_id("overlong");
  overlong.set_response(std::string(200, 'z'));
  reward::Scorer::Results results;
  (*scorer)->Score(
      items, [] { return false; }, results);
  ASSERT_EQ(results.size(), 5);
  EXPECT_GT(results[0].score(), results[1].score() + 0.5);
  EXPECT_GT(results[2].score(), results[3].score() + 0.5);
  EXPECT_NEAR(
      results[0].score(),
      (results[0].components().at("logit") - served.mean()) / served.std(),
      1e-6);
  EXPECT_EQ(results[4].error().code(),
            static_cast<uint32_t>(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(results[4].error().message(), HasSubstr("expected 1 to 23"));
}

// The serving engine and the training module read the same number.
TEST_F(RewardModelTest, ServesWhatWasTrained) {
  ASSERT_TRUE(Run(RmConfig("equal", {"rm.epochs=2"})).ok());
  const auto classifier = LoadSequenceClassifier(folder_ + "/equal");
  ASSERT_TRUE(classifier.ok()) << classifier.status();
  const auto trainer = RmTrainer::Create(RmConfig("unused"), *classifier);
  ASSERT_TRUE(trainer.ok());
  const auto trained = (*trainer)->Evaluate(
      {{.chosen = {5, 6, 7, 8}, .rejected = {5, 6}, .margin = 0}});
  ASSERT_TRUE(trained.ok());
  auto engine = *InferenceModel::Create(classifier->decoder.config, {});
  engine->Use(*engine->Pack(*classifier->decoder.weights));
  const std::vector<int32_t> one = {5, 6, 7, 8, 0}, two = {5, 6, 0};
  std::vector<TokenScore> scores;
  const ValueHead head = {.weight = classifier->head};
  ASSERT_TRUE(engine
                  ->Score(std::vector<SequenceTokens>{{one, 4}, {two, 2}}, 1,
                          &head, scores)
                  .ok());
  EXPECT_NEAR((scores[0].value + scores[1].value) / 2, trained->mean, 1e-5);
  EXPECT_EQ(trained->accuracy, scores[0].value > scores[1].value ? 1 : 0);
}

TEST_F(RewardModelTest, ASignalSavesAndALaterCallEndsWithTheSameModel) {
  ASSERT_TRUE(Run(RmConfig("through", {"rm.epochs=4"})).ok());
  const v1::RunConfig config = RmConfig("cut", {"rm.epochs=4"});
  RequestShutdown(StopSignal::kInterrupt);
  const absl::Status stopped = Run(config).status();
  RequestShutdown(StopSignal::kNone);
  EXPECT_TRUE(absl::IsCancelled(stopped)) << stopped;
  EXPECT_EQ(ExitCodeFor(stopped), ExitCode::kInterrupted);
  EXPECT_FALSE(FileExists(folder_ + "/cut"));
  const auto resumed = Run(config);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_EQ(*ReadFile(folder_ + "/cut/model.safetensors"),
            *ReadFile(folder_ + "/through/model.safetensors"));
}

TEST_F(RewardModelTest, RefusesAFolderThatIsNoClassifier) {
  const absl::Status refused =
      LoadSequenceClassifier(folder_ + "/start").status();
  EXPECT_TRUE(absl::IsDataLoss(refused));
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("score.weight is missing"));
}

TEST_F(RewardModelTest, APairThatIsTooLongIsNamedOrDropped) {
  const std::string path = folder_ + "/long.jsonl";
  ASSERT_TRUE(WriteFileAtomically(
                  path, Pairs(0) + R"({"prompt": "p", "chosen": ")" +
                            std::string(100, 'z') + R"(", "rejected": "b"})")
                  .ok());
  const absl::Status refused =
      Run(RmConfig("long", {"data.preferences=" + path})).status();
  EXPECT_TRUE(absl::IsDataLoss(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("long.jsonl:61: "));
  EXPECT_TRUE(Run(RmConfig("dropped", {"data.preferences=" + path,
                                       "data.overlong=drop", "rm.epochs=1"}))
                  .ok());
}

TEST_F(RewardModelTest, AnExistingResultIsNotOverwritten) {
  ASSERT_TRUE(MakeDirectories(folder_ + "/there").ok());
  EXPECT_TRUE(absl::IsAlreadyExists(Run(RmConfig("there")).status()));
}

}  // namespace
}  // namespace operant::learner
