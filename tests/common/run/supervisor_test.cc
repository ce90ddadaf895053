#include "common/run/supervisor.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/exit_code.h"
#include "common/base/file_io.h"
#include "common/run/process_stats.h"
#include "gtest/gtest.h"
#include "tests/common/run/temp_folder.h"

namespace operant {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);

class SupervisorTest : public testing::Test {
 protected:
  ProcessSpec Shell(const std::string& role, const std::string& script) const {
    return {.role = role,
            .args = {"/bin/sh", "-c", script},
            .environment = {"OPERANT_TEST=from parent"},
            .log_path = folder_.File(role + ".log")};
  }

  TempFolder folder_;
  Supervisor supervisor_;
};

TEST_F(SupervisorTest, ReportsExitCodeAndKeepsTheLog) {
  ASSERT_TRUE(
      supervisor_.Start(Shell("worker", "echo $OPERANT_TEST; exit 7")).ok());
  const auto exit = supervisor_.WaitExit(absl::Now() + kPatience);
  ASSERT_TRUE(exit.has_value());
  EXPECT_EQ(exit->role, "worker");
  EXPECT_EQ(exit->exit_code, 7);
  EXPECT_EQ(exit->signal, 0);
  EXPECT_GT(exit->peak_resident_bytes, 0);
  EXPECT_EQ(*ReadFile(folder_.File("worker.log")), "from parent\n");
}

TEST_F(SupervisorTest, DescribesADeathWithTheLastLinesOfTheLog) {
  ASSERT_TRUE(supervisor_.Start(Shell("worker", "seq 1 30; kill -9 $$")).ok());
  const auto exit = supervisor_.WaitExit(absl::Now() + kPatience);
  ASSERT_TRUE(exit.has_value());
  EXPECT_EQ(exit->signal, SIGKILL);
  const std::string text = DescribeDeath(*exit, folder_.File("worker.log"));
  EXPECT_NE(text.find("signal 9"), std::string::npos) << text;
  EXPECT_NE(text.find("\n11\n12\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("\n10\n"), std::string::npos) << text;
}

TEST_F(SupervisorTest, ReturnsTheAnnouncedAddresses) {
  const std::string file = folder_.File("learner.json");
  ASSERT_TRUE(
      supervisor_
          .Start(Shell("learner",
                       absl::StrCat("echo '{\"address\":\"127.0.0.1:5\","
                                    "\"metrics\":\"127.0.0.1:6\"}' > ",
                                    file, ".part; mv ", file, ".part ", file,
                                    "; sleep 60")))
          .ok());
  const auto serving = supervisor_.WaitServing("learner", file, kPatience);
  ASSERT_TRUE(serving.ok()) << serving.status();
  EXPECT_EQ(serving->address, "127.0.0.1:5");
  EXPECT_EQ(serving->metrics, "127.0.0.1:6");
}

TEST_F(SupervisorTest, PassesOnTheExitCodeOfAProcessThatNeverServed) {
  ASSERT_TRUE(
      supervisor_.Start(Shell("reward", "echo no lexicon >&2; exit 78")).ok());
  const auto serving =
      supervisor_.WaitServing("reward", folder_.File("none"), kPatience);
  EXPECT_EQ(serving.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ExitCodeFor(serving.status()), ExitCode::kConfig);
  EXPECT_NE(serving.status().message().find("no lexicon"),
            absl::string_view::npos);
}

TEST_F(SupervisorTest, GivesUpOnAProcessThatDoesNotServe) {
  ASSERT_TRUE(supervisor_.Start(Shell("reward", "sleep 60")).ok());
  const auto serving = supervisor_.WaitServing("reward", folder_.File("none"),
                                               absl::Milliseconds(100));
  EXPECT_EQ(serving.status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(SupervisorTest, KillsWhatIgnoresTermination) {
  ASSERT_TRUE(supervisor_
                  .Start(Shell("deaf", absl::StrCat("trap '' TERM; touch ",
                                                    folder_.File("ready"),
                                                    "; while :; do sleep 1;"
                                                    " done")))
                  .ok());
  ASSERT_TRUE(supervisor_.Start(Shell("polite", "exec sleep 60")).ok());
  while (!FileExists(folder_.File("ready")))
    absl::SleepFor(absl::Milliseconds(5));
  const auto exits = supervisor_.StopAll(absl::Milliseconds(300));
  ASSERT_EQ(exits.size(), 2u);
  EXPECT_EQ(exits[0].role, "polite");
  EXPECT_EQ(exits[0].signal, SIGTERM);
  EXPECT_EQ(exits[1].role, "deaf");
  EXPECT_EQ(exits[1].signal, SIGKILL);
}

TEST_F(SupervisorTest, RefusesAProgramThatIsNotThere) {
  ProcessSpec spec = Shell("worker", "");
  spec.args[0] = folder_.File("no_such_program");
  EXPECT_EQ(supervisor_.Start(spec).code(), absl::StatusCode::kNotFound);
}

TEST_F(SupervisorTest, ProcessesDieWithTheirParent) {
  const std::string pid_file = folder_.File("pid");
  const pid_t parent = fork();
  if (parent == 0) {
    Supervisor supervisor;
    const auto started = supervisor.Start(Shell(
        "orphan", absl::StrCat("echo $$ > ", pid_file, ".part; mv ", pid_file,
                               ".part ", pid_file, "; exec sleep 60")));
    while (started.ok() && !FileExists(pid_file)) usleep(5000);
    _exit(0);  // without destructors, as a crash would
  }
  waitpid(parent, nullptr, 0);
  pid_t orphan = 0;
  std::ifstream(pid_file) >> orphan;
  ASSERT_GT(orphan, 0);
  const absl::Time deadline = absl::Now() + kPatience;
  while (PeakResidentBytes(orphan).ok() && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(5));
  }
  EXPECT_EQ(PeakResidentBytes(orphan).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(TailOfFileTest, ReturnsAllOfAShortFileAndNothingOfAMissingOne) {
  const TempFolder folder;
  std::ofstream(folder.File("log")) << "a\nb\n";
  EXPECT_EQ(TailOfFile(folder.File("log"), 20), "a\nb");
  EXPECT_EQ(TailOfFile(folder.File("log"), 1), "b");
  EXPECT_EQ(TailOfFile(folder.File("none"), 20), "");
}

TEST(ProcessStatsTest, KnowsThisProcessAndMachine) {
  EXPECT_GT(*PeakResidentBytes(getpid()), 1 << 20);
  EXPECT_FALSE(CpuName().empty());
  EXPECT_GE(UsableCores(), 1);
}

}  // namespace
}  // namespace operant
