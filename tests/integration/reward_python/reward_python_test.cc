// Anyone's server, in another language, is as good as ours: the examples'
// processes score through the gateway and keep the contract.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/base/file_io.h"
#include "common/reward_client/conformance.h"
#include "common/reward_client/gateway.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

// A cold Python on a busy machine takes seconds to import grpc.
constexpr absl::Duration kStartLimit = absl::Seconds(30);

// A child process whose standard output goes to a file.
class Child {
 public:
  Child(std::vector<std::string> command, const std::string& output) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    std::vector<char*> argv;
    for (std::string& part : command) argv.push_back(part.data());
    argv.push_back(nullptr);
    if (posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ) !=
        0) {
      pid_ = -1;
    }
    posix_spawn_file_actions_destroy(&actions);
  }
  ~Child() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    Wait();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // The exit code, or -1.
  int Wait() {
    int status = 0;
    if (pid_ <= 0 || waitpid(pid_, &status, 0) != pid_) return -1;
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = -1;
};

// A Python that can import grpc, or "".
std::string FindPython() {
  const char* const chosen = std::getenv("OPERANT_PYTHON");
  if (chosen != nullptr) return chosen;
  for (const char* python : {"/usr/bin/python3", "python3"}) {
    Child check({python, "-c", "import grpc, google.protobuf"}, "/dev/null");
    if (check.Wait() == 0) return python;
  }
  return "";
}

// The port that the server says it bound, or "".
std::string AwaitPort(const std::string& output) {
  const absl::Time limit = absl::Now() + kStartLimit;
  while (absl::Now() < limit) {
    const std::string said = ReadFile(output).value_or("");
    absl::string_view port = said;
    if (absl::ConsumePrefix(&port, "reward server on port ") &&
        absl::ConsumeSuffix(&port, "\n")) {
      return std::string(port);
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
  return "";
}

v1::RewardSection ConfigFor(const std::string& address) {
  v1::RewardSection config;
  config.set_batch_items(3);
  config.set_max_retries(3);
  config.set_on_error("fail");
  config.set_drop_limit(0.05);
  config.set_max_abs_score(1e6);
  config.set_unavailable_wait_ms(30'000);
  v1::RewardEndpoint& endpoint = *config.add_endpoints();
  endpoint.set_name("python");
  endpoint.set_address(address);
  endpoint.set_weight(1);
  endpoint.set_deadline_ms(10'000);
  return config;
}

v1::ScoreItem Item(const std::string& id, const std::string& response) {
  v1::ScoreItem item;
  item.set_id(id);
  item.set_response(response);
  item.set_ground_truth("42");
  item.set_finish(v1::FINISH_REASON_STOP);
  return item;
}

// The example server as a process; its address, or "" after a test failure.
class RewardPythonTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string python = FindPython();
    if (python.empty()) {
      GTEST_SKIP() << "NOT CHECKED: no Python with grpc; install Debian's "
                      "python3-grpcio and python3-protobuf";
    }
    setenv("PYTHONPATH", OPERANT_PYTHON_SDK, /*overwrite=*/1);
    setenv("PYTHONDONTWRITEBYTECODE", "1", /*overwrite=*/1);
    const std::string output = JoinPath(
        testing::TempDir(), absl::StrCat("reward_python_", getpid(), ".txt"));
    server_ = std::make_unique<Child>(
        std::vector<std::string>{python, OPERANT_EXAMPLE_SERVER, "127.0.0.1:0"},
        output);
    const std::string port = AwaitPort(output);
    unlink(output.c_str());
    ASSERT_NE(port, "") << "the example server did not start";
    address_ = absl::StrCat("127.0.0.1:", port);
  }

  std::unique_ptr<Child> server_;
  std::string address_;
};

TEST_F(RewardPythonTest, ExampleServerScoresThroughTheGateway) {
  const auto metrics = MetricRegistry::Create();
  const auto gateway =
      RewardGateway::Create({ConfigFor(address_), "run", ""}, metrics.get());
  ASSERT_TRUE(gateway.ok()) << gateway.status();
  const absl::Status greeted = (*gateway)->Handshake();
  ASSERT_TRUE(greeted.ok()) << greeted;

  const auto scores =
      (*gateway)->Score({Item("a", "it is 42"), Item("b", "it is 41"),
                         Item("c", "no idea"), Item("d", "first 7, then 42")},
                        0, false);
  ASSERT_TRUE(scores.ok()) << scores.status();
  const double expected[] = {1, 0, 0, 1};
  const double answered[] = {1, 1, 0, 1};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ((*scores)[i].score, expected[i]);
    EXPECT_EQ((*scores)[i].components.at("answered"), answered[i]);
    EXPECT_EQ((*scores)[i].server, "python math/1");
  }
}

// Every check passes, or does not apply, and the load is answered.
void ExpectKeepsTheContract(const std::string& address) {
  ConformanceOptions options;
  options.address = address;
  options.load_time = absl::Milliseconds(50);
  const auto report = CheckConformance(options);
  ASSERT_TRUE(report.ok()) << report.status();
  for (const ConformanceCheck& check : report->checks) {
    EXPECT_NE(check.verdict, ConformanceCheck::Verdict::kFail)
        << check.name << ": " << check.detail;
  }
  ASSERT_EQ(report->load.size(), 4);
  EXPECT_GT(report->load[2].items_per_second, 0);
  EXPECT_EQ(report->load[2].failed_calls, 0);
}

TEST_F(RewardPythonTest, ExampleServerKeepsTheContract) {
  ExpectKeepsTheContract(address_);
}

TEST(RewardCppTest, ExampleServerKeepsTheContract) {
  const std::string output = JoinPath(
      testing::TempDir(), absl::StrCat("reward_cpp_", getpid(), ".txt"));
  const Child server({OPERANT_CPP_SERVER, "127.0.0.1:0"}, output);
  const std::string port = AwaitPort(output);
  unlink(output.c_str());
  ASSERT_NE(port, "") << "the example server did not start";
  ExpectKeepsTheContract(absl::StrCat("127.0.0.1:", port));
}

}  // namespace
}  // namespace operant
