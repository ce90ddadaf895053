// The binary as a shell sees it: exit codes and what it prints.
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Outcome {
  int exit_code = -1;
  std::string output;  // standard output and error
};

Outcome Operant(const std::string& arguments) {
  const std::string command =
      std::string(OPERANT_PROGRAM) + " " + arguments + " 2>&1";
  std::FILE* pipe = popen(command.c_str(), "r");
  Outcome outcome;
  std::array<char, 4096> buffer;
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) {
    outcome.output += buffer.data();
  }
  outcome.exit_code = WEXITSTATUS(pclose(pipe));
  return outcome;
}

std::string WriteConfigFile(const std::string& name, const std::string& text) {
  const std::string path = testing::TempDir() + "operant_cli_" + name;
  std::ofstream(path) << text;
  return path;
}

TEST(CliTest, HelpListsTheVerbsAndExitCodes) {
  const Outcome help = Operant("--help");
  EXPECT_EQ(help.exit_code, 0);
  for (const char* word : {"train", "rollout", "generate", "Exit codes"}) {
    EXPECT_THAT(help.output, HasSubstr(word));
  }
}

TEST(CliTest, EveryVerbHasHelpWithAnExample) {
  for (const char* verb :
       {"demo", "train", "learner", "rollout", "reward", "sft", "eval",
        "generate", "logprobs", "config", "data wordnet", "probe"}) {
    const Outcome help = Operant(std::string(verb) + " --help");
    EXPECT_EQ(help.exit_code, 0) << verb;
    EXPECT_THAT(help.output, HasSubstr("Example")) << verb;
  }
}

TEST(CliTest, VersionNamesTheLibraries) {
  const Outcome version = Operant("version");
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.output, HasSubstr("LibTorch 2.11"));
}

TEST(CliTest, WrongUsageExitsWith64AndPointsToHelp) {
  for (const char* arguments :
       {"", "no-such-verb", "train --no-such-flag", "rollout",
        "generate --model x", "probe localhost:1 alive"}) {
    const Outcome outcome = Operant(arguments);
    EXPECT_EQ(outcome.exit_code, 64) << arguments;
    EXPECT_THAT(outcome.output, HasSubstr("--help")) << arguments;
  }
}

TEST(CliTest, AnUnknownKeyExitsWith78AndNamesTheNearest) {
  const std::string path =
      WriteConfigFile("unknown.yaml", "ppo:\n  kl_coeficient: 1\n");
  const Outcome outcome = Operant("train -c " + path);
  EXPECT_EQ(outcome.exit_code, 78);
  EXPECT_THAT(outcome.output, HasSubstr("unknown.yaml:2"));
  EXPECT_THAT(outcome.output, HasSubstr("kl_coefficient"));
}

TEST(CliTest, AMissingConfigurationExitsWith78) {
  const Outcome outcome = Operant("train -c /no/such/file.yaml");
  EXPECT_EQ(outcome.exit_code, 78);
  EXPECT_THAT(outcome.output, StartsWith("operant train: "));
  EXPECT_THAT(outcome.output, HasSubstr("/no/such/file.yaml"));
}

TEST(CliTest, AMissingModelExitsWith78) {
  const Outcome outcome =
      Operant("generate --model /no/such/folder --prompt x");
  EXPECT_EQ(outcome.exit_code, 78) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("/no/such/folder"));
}

TEST(CliTest, AMissingModelLeavesARunThatCanBeStartedAgain) {
  const std::string root = testing::TempDir() + "operant_cli_runs";
  std::filesystem::remove_all(root);
  const std::string command =
      "train run.root=" + root +
      " model.path=/no/such/folder data.prompts=/no/such/file.jsonl "
      "learner.steps=1 reward.scorer=length";
  for (int attempt = 0; attempt < 2; ++attempt) {
    const Outcome outcome = Operant(command);
    EXPECT_EQ(outcome.exit_code, 78) << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr("/no/such/"));
    EXPECT_THAT(outcome.output, Not(HasSubstr("--resume")));
  }
  std::filesystem::remove_all(root);
}

TEST(CliTest, ConfigShowMergesFilesThenOverrides) {
  const std::string first =
      WriteConfigFile("first.yaml", "ppo: {epochs: 2, gamma: 0.5}\n");
  const std::string second =
      WriteConfigFile("second.yaml", "ppo: {epochs: 3}\n");
  const Outcome outcome =
      Operant("config show -c " + first + " -c " + second + " ppo.lambda=0.9");
  EXPECT_EQ(outcome.exit_code, 0);
  for (const char* line :
       {"epochs: 3", "gamma: 0.5", "lambda: 0.9", "samples_per_prompt: 8"}) {
    EXPECT_THAT(outcome.output, HasSubstr(line));
  }
}

TEST(CliTest, ConfigExplainReadsTheSchemasComments) {
  const Outcome outcome = Operant("config explain ppo.kl_target");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.output, HasSubstr("adaptive"));
  const Outcome unknown = Operant("config explain ppo.kl_targt");
  EXPECT_EQ(unknown.exit_code, 78);
  EXPECT_THAT(unknown.output, HasSubstr("did you mean kl_target?"));
}

TEST(CliTest, ProbeOfAClosedPortFails) {
  EXPECT_EQ(Operant("probe 127.0.0.1:1 live").exit_code, 75);
}

TEST(CliTest, ShippedConfigurationsAreUnderstood) {
  for (const char* file : {"demo.yaml", "own-model.yaml"}) {
    const Outcome outcome =
        Operant(std::string("config show -c deploy/configs/") + file);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  }
}

}  // namespace
}  // namespace operant
