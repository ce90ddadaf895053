#include "common/run/local_training.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "absl/time/clock.h"
#include "common/base/file_io.h"
#include "common/base/shutdown.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/common/run/temp_folder.h"

namespace operant {
namespace {

// A program that stands in for `operant`: it announces itself as told and then
// does what the test says for its verb.
class LocalTrainingTest : public testing::Test {
 protected:
  void WriteProgram(const std::string& learner, const std::string& rollout) {
    std::ofstream(program_)
        << "#!/bin/sh\nverb=$1; shift; echo \"$@\" > " << root_.path()
        << "/$verb.args\n"
        << "while [ $# -gt 0 ]; do\n"
        << "  [ \"$1\" = --announce ] && announce=$2\n  shift\ndone\n"
        << "echo '{\"address\":\"127.0.0.1:9\",\"metrics\":\"\"}'"
        << " > $announce.part\nmv $announce.part $announce\n"
        << "[ $verb = learner ] && echo >> " << root_.File("starts") << "\n"
        << "case $verb in\nlearner) " << learner << " ;;\nrollout) " << rollout
        << " ;;\n*) exec sleep 60 ;;\nesac\n";
    chmod(program_.c_str(), 0755);
  }

  LocalTrainingOptions Options() const {
    LocalTrainingOptions options;
    options.program = program_;
    options.config.mutable_run()->set_root(root_.path());
    options.config.mutable_run()->set_name("r");
    options.config.mutable_run()->set_max_failures(3);
    options.config.mutable_run()->set_failure_window_ms(60'000);
    options.config.mutable_run()->set_stop_grace_ms(10'000);
    options.config.mutable_rollout()->set_workers(1);
    options.config.mutable_learner()->set_ranks(1);
    return options;
  }

  std::string Args(const std::string& verb) const {
    return ReadFile(root_.File(verb + ".args")).value_or("");
  }
  nlohmann::json Processes() const {
    return nlohmann::json::parse(*ReadFile(root_.File("r/processes.json")));
  }

  // Shell: does `first` at the first time, `then` later.
  std::string Once(const std::string& first, const std::string& then) const {
    return "mkdir " + root_.File("once") + " 2>/dev/null && { " + first +
           "; }; " + then;
  }
  // How often the learner was started.
  size_t Starts() const {
    const std::string text = ReadFile(root_.File("starts")).value_or("");
    return std::count(text.begin(), text.end(), '\n');
  }

  const TempFolder root_;
  const std::string program_ = root_.File("operant");
};

TEST_F(LocalTrainingTest, ConnectsTheProcessesAndReturnsTheLearnersCode) {
  WriteProgram("sleep 0.3; exit 76", "exec sleep 60");
  const auto code = TrainLocally(Options());
  ASSERT_TRUE(code.ok()) << code.status();
  EXPECT_EQ(*code, ExitCode::kDiverged);
  EXPECT_NE(Args("learner").find("address: '127.0.0.1:9'"), std::string::npos);
  EXPECT_NE(Args("rollout").find("--coordinator 127.0.0.1:9"),
            std::string::npos);
  const auto processes = Processes();
  EXPECT_EQ(processes["learner"]["exit_code"], 76);
  EXPECT_GT(processes["rollout-0"]["peak_rss_mib"], 0);
}

TEST_F(LocalTrainingTest, StartsAWorkerThatDiedAgain) {
  WriteProgram("sleep 1", Once("kill -9 $$", "exec sleep 60"));
  const auto code = TrainLocally(Options());
  ASSERT_TRUE(code.ok()) << code.status();
  EXPECT_EQ(*code, ExitCode::kDone);
  EXPECT_EQ(Processes()["rollout-0"]["starts"], 2);
}

TEST_F(LocalTrainingTest, DoesNotRepeatAFaultOfConfiguration) {
  WriteProgram("exec sleep 60", "exit 78");
  const absl::Status status = TrainLocally(Options()).status();
  EXPECT_EQ(ExitCodeFor(status), ExitCode::kConfig);
  EXPECT_NE(status.message().find("rollout-0 ended with exit code 78"),
            std::string::npos)
      << status;
  EXPECT_EQ(Processes()["rollout-0"]["starts"], 1);
}

TEST_F(LocalTrainingTest, GoesOnWhileAWorkerIsLeft) {
  WriteProgram("sleep 1", Once("exit 78", "exec sleep 60"));
  LocalTrainingOptions options = Options();
  options.config.mutable_rollout()->set_workers(2);
  const auto code = TrainLocally(options);
  ASSERT_TRUE(code.ok()) << code.status();
  EXPECT_EQ(*code, ExitCode::kDone);
}

TEST_F(LocalTrainingTest, ResumesALearnerThatDiedAtItsOldAddress) {
  WriteProgram(Once("sleep 0.2; kill -9 $$", "sleep 0.2; exit 0"),
               "exec sleep 60");
  const auto code = TrainLocally(Options());
  ASSERT_TRUE(code.ok()) << code.status();
  EXPECT_EQ(*code, ExitCode::kDone);
  EXPECT_EQ(Processes()["learner"]["starts"], 2);
  EXPECT_NE(Args("learner").find("--listen 127.0.0.1:9 --resume"),
            std::string::npos)
      << Args("learner");
}

TEST_F(LocalTrainingTest, GivesUpOnALearnerThatKeepsFailingAndSaysWhy) {
  WriteProgram("sleep 0.1; exit 70", "exec sleep 60");
  LocalTrainingOptions options = Options();
  options.config.mutable_run()->set_max_failures(1);
  const absl::Status status = TrainLocally(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ExitCodeFor(status), ExitCode::kBug);
  EXPECT_NE(status.message().find("learner failed 2 times within"),
            std::string::npos)
      << status;
  EXPECT_EQ(Processes()["learner"]["starts"], 2);
}

TEST_F(LocalTrainingTest, ALearnerThatIgnoresTheSignalIsKilledAfterTheGrace) {
  WriteProgram("trap '' TERM; touch " + root_.File("deaf") +
                   "; while :; do sleep 0.1; done",
               "exec sleep 60");
  LocalTrainingOptions options = Options();
  options.config.mutable_run()->set_stop_grace_ms(300);
  std::thread stopper([this] {
    while (!FileExists(root_.File("deaf"))) usleep(5000);
    RequestShutdown(StopSignal::kTerminate);
  });
  const absl::Time start = absl::Now();
  const auto code = TrainLocally(options);
  stopper.join();
  RequestShutdown(StopSignal::kNone);
  ASSERT_TRUE(code.ok()) << code.status();
  EXPECT_EQ(*code, ExitCode::kResumable);
  EXPECT_LT(absl::Now() - start, absl::Seconds(30));
  EXPECT_EQ(Processes()["learner"]["signal"], SIGKILL);
  EXPECT_EQ(Processes()["learner"]["starts"], 1);
}

TEST_F(LocalTrainingTest, ASignalBetweenTwoLivesOfTheLearnerEndsTheRun) {
  WriteProgram("sleep 0.1; kill -9 $$", "exec sleep 60");
  LocalTrainingOptions options = Options();
  options.config.mutable_run()->set_max_failures(1000);
  std::thread stopper([this] {
    // The pause has grown to a second by then.
    while (Starts() < 3) usleep(5000);
    RequestShutdown(StopSignal::kTerminate);
  });
  const auto code = TrainLocally(options);
  stopper.join();
  RequestShutdown(StopSignal::kNone);
  ASSERT_TRUE(code.ok()) << code.status();
  EXPECT_EQ(*code, ExitCode::kResumable);
}

TEST_F(LocalTrainingTest, StartsNoScorerWhenEndpointsAreGiven) {
  WriteProgram("exit 0", "exec sleep 60");
  LocalTrainingOptions options = Options();
  options.config.mutable_reward()->add_endpoints()->set_address("h:1");
  ASSERT_TRUE(TrainLocally(options).ok());
  EXPECT_FALSE(FileExists(root_.File("reward.args")));
  EXPECT_EQ(Args("learner").find("reward.endpoints"), std::string::npos);
}

// Listens at OPERANT_REWARD_ADDRESS, and leaves word of its argument.
std::string Listener(const std::string& arguments_path) {
  return "import os, socket, sys, time\n"
         "host, port = os.environ['OPERANT_REWARD_ADDRESS'].split(':')\n"
         "open('" +
         arguments_path +
         "', 'w').write(sys.argv[1])\n"
         "server = socket.create_server((host, int(port)))\n"
         "time.sleep(60)\n";
}

TEST_F(LocalTrainingTest, StartsAUsersRewardServerAndTellsTheLearnerWhere) {
  WriteProgram("exit 0", "exec sleep 60");
  const std::string server = root_.File("server.py");
  std::ofstream(server) << Listener(root_.File("command.args"));
  LocalTrainingOptions options = Options();
  v1::RewardEndpoint& endpoint =
      *options.config.mutable_reward()->add_endpoints();
  for (const char* part : {"python3", server.c_str(), "at {address}"})
    endpoint.add_command(part);
  const auto code = TrainLocally(options);
  ASSERT_TRUE(code.ok()) << code.status();
  const std::string args = ReadFile(root_.File("command.args")).value_or("");
  const std::string address = args.substr(args.find(' ') + 1);
  EXPECT_EQ(args.find("at 127.0.0.1:"), 0u) << args;
  EXPECT_NE(ReadFile(root_.File("r/config.yaml")).value_or("").find(address),
            std::string::npos);
  EXPECT_EQ(Processes()["reward-0"]["address"], address);
}

TEST_F(LocalTrainingTest, RefusesARewardCommandThatExitsAtOnce) {
  WriteProgram("exit 0", "exec sleep 60");
  LocalTrainingOptions options = Options();
  options.config.mutable_reward()->add_endpoints()->add_command("/bin/false");
  const absl::Status status = TrainLocally(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ExitCodeFor(status), ExitCode::kConfig);
  EXPECT_NE(status.message().find("reward.endpoints[0].command"),
            std::string::npos);
  EXPECT_FALSE(FileExists(root_.File("learner.args")));
}

TEST_F(LocalTrainingTest, RefusesAUsedRunDirectory) {
  WriteProgram("exit 0", "exit 0");
  ASSERT_TRUE(MakeDirectories(root_.File("r/checkpoints/step_1")).ok());
  EXPECT_EQ(TrainLocally(Options()).status().code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_F(LocalTrainingTest, AddsThePeaksToTheLearnersResult) {
  WriteProgram("echo '{\"kl\":1}' > " + root_.File("r/result.json"),
               "exec sleep 60");
  ASSERT_TRUE(TrainLocally(Options()).ok());
  const auto result =
      nlohmann::json::parse(*ReadFile(root_.File("r/result.json")));
  EXPECT_EQ(result["kl"], 1);
  EXPECT_GT(result["peak_rss_mib"]["learner"], 0);
}

}  // namespace
}  // namespace operant
