#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/common/base/config_files.h"

namespace operant {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ConfigYamlTest : public testing::Test {
 protected:
  absl::StatusOr<v1::RunConfig> Load(
      const std::string& yaml, const std::vector<std::string>& overrides = {}) {
    return LoadConfig({files_.Write("run.yaml", yaml)}, overrides);
  }

  // The message of an expected InvalidArgument.
  std::string Faults(const std::string& yaml,
                     const std::vector<std::string>& overrides = {}) {
    const absl::Status status = Load(yaml, overrides).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << yaml;
    return std::string(status.message());
  }

  ConfigFiles files_;
};

TEST_F(ConfigYamlTest, ReadsEachKindOfValue) {
  const auto config = Load(R"(
run: {name: first, seed: 18446744073709551615, deterministic: true}
ppo:
  learning_rate: 1e-6
rollout:
  stop_token_ids: [0, -1]
reward:
  endpoints:
    - {address: "127.0.0.1:1", weight: 0.5, data_sources: [a, b]}
    - 127.0.0.1:2
)");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->run().name(), "first");
  EXPECT_EQ(config->run().seed(), 18446744073709551615u);
  EXPECT_TRUE(config->run().deterministic());
  EXPECT_EQ(config->ppo().learning_rate(), 1e-6);
  EXPECT_THAT(config->rollout().stop_token_ids(), ElementsAre(0, -1));
  ASSERT_EQ(config->reward().endpoints_size(), 2);
  EXPECT_EQ(config->reward().endpoints(0).weight(), 0.5);
  EXPECT_THAT(config->reward().endpoints(0).data_sources(),
              ElementsAre("a", "b"));
  EXPECT_EQ(config->reward().endpoints(1).address(), "127.0.0.1:2");
}

TEST_F(ConfigYamlTest, LaterFilesWinAndListsReplaceLists) {
  const std::string first = files_.Write(
      "a.yaml", "ppo: {gamma: 0.9, epochs: 2}\nrollout: {stop_token_ids: [1]}");
  const std::string second = files_.Write(
      "b.yaml", "ppo: {gamma: 0.8}\nrollout: {stop_token_ids: [2, 3]}");
  const auto config = LoadConfig({first, second}, {"ppo.gamma=0.7"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->ppo().gamma(), 0.7);
  EXPECT_EQ(config->ppo().epochs(), 2u);
  EXPECT_THAT(config->rollout().stop_token_ids(), ElementsAre(2, 3));
}

TEST_F(ConfigYamlTest, NothingTakesAnEarlierValueBack) {
  const auto config =
      Load("run: {name: a}\nppo:\ndata: ~\nrollout: {stop_token_ids: [1]}",
           {"run.name=", "rollout.stop_token_ids=~"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->run().name(), "");
  EXPECT_EQ(config->rollout().stop_token_ids_size(), 0);
  EXPECT_FALSE(config->has_ppo());
}

TEST_F(ConfigYamlTest, AnEmptyFileIsAnEmptyConfiguration) {
  for (const char* yaml : {"", "\n", "# only a comment\n", "{}", "---\n"}) {
    const auto config = Load(yaml);
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->ByteSizeLong(), 0u);
  }
}

TEST_F(ConfigYamlTest, OverridesParseTheirValueAsYaml) {
  const auto config = Load(
      "", {"reward.endpoints=[{address: 127.0.0.1:50061}, 127.0.0.1:7]",
           "run={name: x}", "reward.pattern=^a=[b]+$", "model.path=/m/x y"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->reward().endpoints(0).address(), "127.0.0.1:50061");
  EXPECT_EQ(config->reward().endpoints(1).address(), "127.0.0.1:7");
  EXPECT_EQ(config->run().name(), "x");
  EXPECT_EQ(config->reward().pattern(), "^a=[b]+$");
  EXPECT_EQ(config->model().path(), "/m/x y");
}

TEST_F(ConfigYamlTest, TextStaysAsWritten) {
  const auto config =
      Load("run: {name: 007, root: true}\nmodel: {path: \"1.0\"}");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->run().name(), "007");
  EXPECT_EQ(config->run().root(), "true");
  EXPECT_EQ(config->model().path(), "1.0");
}

TEST_F(ConfigYamlTest, AnUnknownKeyNamesItsPlaceAndTheNearestKey) {
  EXPECT_THAT(Faults("run:\n  name: x\nppo:\n  gama: 1\n"),
              AllOf(HasSubstr("run.yaml:4:3: ppo.gama: unknown key"),
                    HasSubstr("did you mean \"gamma\"?")));
  EXPECT_THAT(Faults("lerner: {steps: 3}"),
              HasSubstr("run.yaml:1:1: lerner: unknown key; did you mean "
                        "\"learner\"?"));
}

TEST_F(ConfigYamlTest, AKeyOfAnotherSectionIsPointedAt) {
  EXPECT_THAT(Faults("prompts_per_step: 3"),
              HasSubstr("did you mean \"learner.prompts_per_step\"?"));
  EXPECT_THAT(Faults("tokenizer: {xxxxxxxxxxxx: 3}"),
              HasSubstr("known keys: path, train_vocab_size"));
}

TEST_F(ConfigYamlTest, IllTypedValuesAreFaults) {
  const std::pair<const char*, const char*> table[] = {
      {"learner: {steps: many}", "an integer in [0, 4294967295]"},
      {"learner: {steps: -1}", "an integer in [0, 4294967295]"},
      {"learner: {steps: 1.5}", "an integer in [0, 4294967295]"},
      {"learner: {steps: 1e3}", "an integer in [0, 4294967295]"},
      {"learner: {steps: 0x10}", "an integer in [0, 4294967295]"},
      {"learner: {steps: 4294967296}", "an integer in [0, 4294967295]"},
      {"learner: {steps: true}", "an integer in [0, 4294967295]"},
      {"learner: {steps: \"3\"}", "remove the quotes"},
      {"learner: {steps: !!str 3}", "remove the quotes"},
      {"learner: {steps: [3]}", "expected one value"},
      {"learner: {steps: {a: 3}}", "expected one value"},
      {"run: {seed: 18446744073709551616}", "[0, 18446744073709551615]"},
      {"rollout: {stop_token_ids: [2147483648]}", "2147483647]"},
      {"rollout: {stop_token_ids: 3}", "expected a list"},
      {"ppo: {gamma: high}", "a finite number"},
      {"ppo: {gamma: .nan}", "a finite number"},
      {"ppo: {gamma: nan}", "a finite number"},
      {"ppo: {gamma: inf}", "a finite number"},
      {"ppo: {gamma: 1e999}", "a finite number"},
      {"ppo: {no_kl: yes}", "true or false"},
      {"ppo: {no_kl: 1}", "true or false"},
      {"ppo: {no_kl: \"true\"}", "remove the quotes"},
      {"ppo: 3", "expected a mapping"},
      {"- a", "expected a mapping"},
      {"ppo: [1]", "expected a mapping"},
      {"{[a]: 1}", "expected a plain word as key"},
      {"ppo: {gamma: 1, gamma: 1}", "given twice"},
      {"{}\n---\n{}", "run.yaml:2:1: expected one YAML document"},
      {"~\n---\nrun: {}", "run.yaml:2:1: expected one YAML document"},
      {"run: {name: [}", "cannot parse YAML"},
  };
  for (const auto& [yaml, expected] : table) {
    EXPECT_THAT(Faults(yaml),
                AllOf(HasSubstr("run.yaml:"), HasSubstr(expected)));
  }
}

// Where no document can start, yaml-cpp reads empty ones for ever.
TEST_F(ConfigYamlTest, RefusesTextThatStartsNoDocument) {
  EXPECT_THAT(Faults(",A"),
              HasSubstr("run.yaml:1:1: expected one YAML document"));
  EXPECT_THAT(Faults("\n,~ #<"),
              HasSubstr("run.yaml:2:1: expected one YAML document"));
  EXPECT_THAT(Faults("[a\n],b"), HasSubstr("run.yaml:2:2: expected"));
  EXPECT_THAT(Faults("", {"run.name=,A"}),
              HasSubstr("override \"run.name=,A\": expected one"));
}

TEST_F(ConfigYamlTest, AllFaultsAreReportedAtOnceWithTheirPlaces) {
  const std::string faults =
      Faults("ppo:\n  gama: 1\n  epochs: two\n", {"learner.steps=x", "nokey"});
  EXPECT_THAT(faults, HasSubstr("4 faults"));
  EXPECT_THAT(faults, HasSubstr("run.yaml:2:3: ppo.gama"));
  EXPECT_THAT(faults, HasSubstr("run.yaml:3:11: ppo.epochs: value two"));
  EXPECT_THAT(faults, HasSubstr("override \"learner.steps=x\""));
  EXPECT_THAT(faults, HasSubstr("override \"nokey\": expected section.key"));
}

TEST_F(ConfigYamlTest, AListElementsFaultNamesItsPlace) {
  EXPECT_THAT(Faults("reward:\n  endpoints:\n    - adress: x\n"),
              HasSubstr("run.yaml:3:7: reward.endpoints[0].adress"));
}

TEST_F(ConfigYamlTest, AMissingFileIsNotFound) {
  const auto config = LoadConfig({files_.Path("none.yaml")}, {});
  EXPECT_EQ(config.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(config.status().message()), HasSubstr("none.yaml"));
}

TEST_F(ConfigYamlTest, AZeroThatWouldBecomeTheDefaultIsRefused) {
  EXPECT_THAT(Faults("ppo:\n  kl_coefficient: 0\n"),
              AllOf(HasSubstr("run.yaml:2:19: ppo.kl_coefficient: value 0"),
                    HasSubstr("default 0.02"), HasSubstr("ppo.no_kl")));
  EXPECT_THAT(Faults("rollout: {temperature: 0.0}"),
              HasSubstr("rollout.temperature: value 0"));
  EXPECT_THAT(Faults("", {"rollout.workers=0"}), HasSubstr("zero_workers"));
  EXPECT_THAT(Faults("run: {name: \"\"}"), HasSubstr("default run"));
  EXPECT_THAT(Faults("reward: {endpoints: [{address: a:1, weight: 0}]}"),
              HasSubstr("reward.endpoints[0].weight"));
}

TEST_F(ConfigYamlTest, AZeroThatMeansZeroOrIsOverruledIsFine) {
  EXPECT_TRUE(Load("ppo: {weight_decay: 0, no_kl: true}").ok());
  EXPECT_TRUE(Load("ppo: {kl_coefficient: 0, no_kl: true}").ok());
  EXPECT_TRUE(Load("ppo: {kl_coefficient: 0}", {"ppo.kl_coefficient=1"}).ok());
  EXPECT_TRUE(Load("reward: {endpoints: [{address: a:1, weight: 0}]}",
                   {"reward.endpoints=[a:1]"})
                  .ok());
}

TEST_F(ConfigYamlTest, FaultyValuesAreShownEscapedAndCut) {
  const std::string faults = Faults(
      absl::StrCat("learner: {steps: \"\\e[2J", std::string(1000, 'x'), "\"}"));
  EXPECT_THAT(faults, HasSubstr("\\x1b[2Jxxx"));
  EXPECT_THAT(faults, Not(HasSubstr(std::string(100, 'x'))));
}

TEST(NearestWordTest, FindsTheNearestWithinThreeEdits) {
  const std::vector<std::string> words = {"gamma", "lambda", "epochs"};
  EXPECT_EQ(NearestWord("gama", words), "gamma");
  EXPECT_EQ(NearestWord("lamda", words), "lambda");
  EXPECT_EQ(NearestWord("epochs", words), "epochs");
  EXPECT_EQ(NearestWord("epo", words), "");
  EXPECT_EQ(NearestWord("zzzzzz", words), "");
  EXPECT_EQ(NearestWord("", words), "");
  EXPECT_EQ(NearestWord("gamma", {}), "");
}

}  // namespace
}  // namespace operant
