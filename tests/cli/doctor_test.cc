// `operant doctor`: a run that could start, and what it says of those that
// could not.
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/base/rpc.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "operant/v1/reward.grpc.pb.h"
#include "tests/cli/operant_program.h"
#include "tests/testing/certificate_folder.h"

namespace operant {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::CertificateFolder;
using testing_support::LeafOf;

TEST(DoctorTest, EveryFaultIsNamedAtOnce) {
  const std::string runs = FreshFolder("doctor_runs");
  std::filesystem::create_directories(runs + "/used/checkpoints/step_1");
  const Outcome outcome = Operant(
      "doctor model.path=/nowhere data.prompts=/nothing.jsonl learner.steps=1 "
      "learner.listen=0.0.0.0:0 run.name=used run.root=" +
      runs + " 'reward.endpoints=[127.0.0.1:1]'");
  EXPECT_EQ(outcome.exit_code, 78) << outcome.output;
  for (const char* fault :
       {"model.path", "holds one already", "expected a loopback address",
        "start the server, or correct reward.endpoints"}) {
    EXPECT_THAT(outcome.output, HasSubstr(fault));
  }
  EXPECT_THAT(outcome.output, HasSubstr("ok    batch"));
  const Outcome uncertified = Operant(
      "train --dry-run model.path=/nowhere data.prompts=/p learner.steps=1 "
      "security.certs=/nowhere");
  EXPECT_EQ(uncertified.exit_code, 78);
  EXPECT_THAT(uncertified.output, HasSubstr("/nowhere/learner.pem"));
}

// A model of a few thousand parameters with its data, and a configuration that
// trains it, to be spoiled.
class DoctorOfAFileTest : public testing::Test {
 protected:
  DoctorOfAFileTest() {
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ + "/rows.jsonl")
        << R"({"prompt": "one two:", "response": " two one"})"
        << "\n";
    const Outcome made = Operant(absl::StrCat(
        "sft model.init=random model.hidden_size=16 model.intermediate_size=32 "
        "model.num_hidden_layers=1 model.num_attention_heads=2 "
        "model.max_position_embeddings=64 tokenizer.train_vocab_size=260 "
        "data.sft=",
        folder_, "/rows.jsonl sft.epochs=1 sft.out=", folder_, "/model"));
    EXPECT_EQ(made.exit_code, 0) << made.output;
  }

  // Examines the good configuration with `section` on top of it.
  Outcome Doctor(const std::string& section) const {
    const std::string good = WriteConfigFile(
        "good.yaml",
        absl::StrCat("run: {name: good, root: ", folder_, "/runs}\n",
                     "model: {path: ", folder_, "/model}\n",
                     "data: {prompts: ", folder_, "/rows.jsonl}\n",
                     "rollout: {max_response_tokens: 16}\n",
                     "reward: {scorer: length}\n", "learner: {steps: 1}\n"));
    const std::string changes = WriteConfigFile("changes.yaml", section);
    return Operant(absl::StrCat("doctor -c ", good,
                                section.empty() ? "" : " -c ",
                                section.empty() ? "" : changes));
  }

  // The lines about what is wrong.
  static std::vector<std::string> Faults(const Outcome& outcome) {
    std::vector<std::string> faults;
    for (const absl::string_view line : absl::StrSplit(outcome.output, '\n')) {
      if (absl::StartsWith(line, "WRONG")) faults.emplace_back(line);
    }
    return faults;
  }

  const std::string folder_ = FreshFolder("doctor");
};

TEST_F(DoctorOfAFileTest, FiveBrokenConfigurationsNameKeyAndNextStep) {
  EXPECT_EQ(Doctor("").exit_code, 0) << Doctor("").output;
  struct Broken {
    std::string section, key, next_step;
    int exit_code;
  };
  v1::RewardService::Service service;
  const auto taken = *RpcServer::Create({.services = {&service}});
  const CertificateFolder expired, other_role;
  const absl::Time now = absl::Now();
  const auto old =
      expired.Issue(LeafOf({"URI:spiffe://operant/good/learner/1"},
                           {now - absl::Hours(2), now - absl::Hours(1)}));
  expired.Write("learner.pem", old.key + old.certificate);
  other_role.Add("learner", "good/rollout/1");
  const Broken table[] = {
      {"model: {path: /nowhere}", "model.path",
       "point model.path at a Hugging Face model folder", 78},
      {"reward: {endpoints: ['127.0.0.1:1']}", "reward.endpoints",
       "start the server", 69},
      {"learner: {listen: '" + taken->address() + "'}", "learner.listen",
       "stop its owner or choose another", 78},
      {"security: {certs: " + expired.File("") + "}", "security.certs",
       "renew it with operant certs issue", 78},
      {"security: {certs: " + other_role.File("") + "}", "security.certs",
       "issue one with operant certs issue", 78},
  };
  for (const Broken& broken : table) {
    const Outcome outcome = Doctor(broken.section);
    EXPECT_EQ(outcome.exit_code, broken.exit_code) << outcome.output;
    EXPECT_THAT(
        Faults(outcome),
        ElementsAre(AllOf(HasSubstr(broken.key), HasSubstr(broken.next_step))))
        << outcome.output;
  }
  const Outcome batch = Doctor(
      "learner: {prompts_per_step: 8, samples_per_prompt: 4, "
      "minibatch_samples: 7}");
  EXPECT_EQ(batch.exit_code, 78);
  EXPECT_THAT(batch.output, AllOf(HasSubstr("learner.minibatch_samples"),
                                  HasSubstr("nearest are 4 and 8")));
}

TEST_F(DoctorOfAFileTest, AWorkersCertificateIsLookedAtToo) {
  const CertificateFolder folder;
  folder.Add("learner", "good/learner/1");
  folder.Add("rollout", "good/rollout/1");
  const std::string section = "security: {certs: " + folder.File("") + "}";
  EXPECT_EQ(Doctor(section).exit_code, 0) << Doctor(section).output;
  folder.Add("rollout", "other/rollout/1");
  EXPECT_THAT(Faults(Doctor(section)),
              ElementsAre(AllOf(HasSubstr("security.certs"),
                                HasSubstr("rollout.pem"))));
}

}  // namespace
}  // namespace operant
