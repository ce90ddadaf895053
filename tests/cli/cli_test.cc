// The verbs: exit codes and what they print.
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "common/base/rpc.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "operant/v1/reward.grpc.pb.h"
#include "tests/cli/operant_program.h"

namespace operant {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

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
        "generate", "logprobs", "config", "data wordnet", "probe", "certs",
        "init", "completion", "doctor"}) {
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

// A folder of its own, which does not exist yet.
TEST(CertsTest, AFolderOfCertificatesIsUsable) {
  const std::string folder = FreshFolder("certs");
  const Outcome made = Operant("certs create " + folder + " --run math");
  ASSERT_EQ(made.exit_code, 0) << made.output;
  EXPECT_THAT(made.output, HasSubstr("spiffe://operant/math/learner/1"));
  EXPECT_EQ(
      std::filesystem::status(folder + "/learner.pem").permissions(),
      std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_EQ(Operant("certs create " + folder).exit_code, 78) << "once";
  EXPECT_EQ(Operant("certs issue " + folder + " rollout --name h2").exit_code,
            0);
  EXPECT_THAT(Operant("certs show " + folder + "/rollout.pem").output,
              HasSubstr("spiffe://operant/run/rollout/h2"));
  EXPECT_EQ(Operant("certs issue " + folder + " king").exit_code, 64);
  EXPECT_EQ(Operant("certs issue " + folder + " learner --name a/b").exit_code,
            78);
  EXPECT_EQ(Operant("certs token " + folder + "/token").exit_code, 0);
  EXPECT_EQ(Operant("certs token " + folder + "/token").exit_code, 78);
}

TEST(CertsTest, AProcessRefusesWhatItMayNotUse) {
  const std::string folder = FreshFolder("certs_refused");
  ASSERT_EQ(Operant("certs create " + folder).exit_code, 0);
  const std::string with_certs = "reward security.certs=" + folder;
  const auto refused = [](const std::string& command, const char* why) {
    const Outcome outcome = Operant(command);
    EXPECT_EQ(outcome.exit_code, 78) << command << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr(why)) << command;
  };
  refused("reward", "no certificates");
  refused(
      "reward --listen 0.0.0.0:0 reward.scorer=length security.plaintext=true",
      "loopback");
  refused(with_certs + " security.certificate=" + folder + "/learner.pem" +
              " security.key=" + folder + "/learner.pem",
          "certificate of another process");
  std::filesystem::permissions(folder + "/reward.pem",
                               std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  refused(with_certs, "chmod 0600");
  refused("rollout --coordinator 10.1.2.3:7070 security.plaintext=true",
          "cannot dial");
  std::filesystem::permissions(folder + "/learner.pem",
                               std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  refused(
      "eval model.path=/nowhere data.eval_prompts=/nothing.jsonl "
      "'reward.endpoints=[127.0.0.1:1]' security.certs=" +
          folder,
      "chmod 0600");
}

TEST(ServingTest, AMetricsPortInUseIsNamedWithTheNextStep) {
  v1::RewardService::Service service;
  const auto taken = *RpcServer::Create({.services = {&service}});
  const Outcome outcome =
      Operant("reward reward.scorer=length security.plaintext=true --http " +
              taken->address());
  EXPECT_EQ(outcome.exit_code, 78) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr(taken->address() + " is in use"));
  EXPECT_THAT(outcome.output, HasSubstr("choose another"));
}

TEST(InitTest, WritesAConfigurationThatReads) {
  for (const char* preset : {"own-model", "own-reward", "cluster"}) {
    const std::string file = FreshFolder(std::string(preset) + ".yaml");
    ASSERT_EQ(Operant(std::string("init ") + preset + " " + file).exit_code, 0);
    EXPECT_EQ(Operant("config show -c " + file).exit_code, 0) << preset;
    EXPECT_EQ(Operant(std::string("init ") + preset + " " + file).exit_code, 78)
        << "never over a file";
  }
  EXPECT_EQ(Operant("init nothing").exit_code, 64);
}

TEST(CompletionTest, BashCompletesVerbsFlagsAndKeys) {
  const auto complete = [](const std::string& line, int word) {
    const std::string script = "source <(" OPERANT_PROGRAM
                               " completion bash); COMP_WORDS=(" +
                               line + "); COMP_CWORD=" + std::to_string(word) +
                               "; _operant 2>/dev/null; echo ${COMPREPLY[@]}";
    std::FILE* pipe = popen(("bash -c '" + script + "'").c_str(), "r");
    std::array<char, 65536> buffer{};
    const char* line_read = std::fgets(buffer.data(), buffer.size(), pipe);
    pclose(pipe);
    return std::string(line_read == nullptr ? "" : line_read);
  };
  EXPECT_EQ(complete("operant tra", 1), "train\n");
  EXPECT_EQ(complete("operant config ex", 2), "explain\n");
  EXPECT_THAT(complete("operant train --res", 2), StartsWith("--resume"));
  EXPECT_EQ(complete("operant train ppo.gam", 2), "ppo.gamma=\n");
  EXPECT_THAT(Operant("completion zsh").output, StartsWith("autoload"));
  EXPECT_EQ(Operant("completion fish").exit_code, 64);
}

}  // namespace
}  // namespace operant
