#include "reward/sandbox.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/file_io.h"
#include "common/text/task_data.h"
#include "gtest/gtest.h"
#include "reward/code_scorer.h"
#include "tests/testing/score_one.h"

namespace operant::reward {
namespace {

using End = SandboxVerdict::End;

constexpr char kAttempts[] = "tests/reward/escape_attempts.py";
constexpr int kLeastAttempts = 60;

v1::Sandbox Limits() {
  v1::Sandbox limits;
  limits.set_kind("bubblewrap");
  limits.set_wall_ms(10'000);  // machines that test are busy
  limits.set_cpu_seconds(2);
  limits.set_memory_mb(256);
  limits.set_processes(8);
  limits.set_file_mb(16);
  limits.set_output_kb(64);
  limits.set_python("/usr/bin/python3");
  return limits;
}

bool Succeeds(const std::string& command) {
  const int status = std::system((command + " >/dev/null 2>&1").c_str());
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Where bubblewrap cannot run at all, by its own word, there is nothing to
// test but that the scorer then refuses.
bool BubblewrapRuns() {
  static const bool runs =
      Succeeds("bwrap --unshare-all --ro-bind / / /usr/bin/true");
  return runs;
}

class SandboxTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) == "bubblewrap" && !BubblewrapRuns()) {
      GTEST_SKIP() << "NOT TESTED: bubblewrap cannot make namespaces here (no "
                      "user namespaces in this container); run the tests where "
                      "it can";
    }
    sandbox_ = Make(Limits());
  }

  static std::unique_ptr<const Sandbox> Make(v1::Sandbox limits) {
    limits.set_kind(GetParam());
    auto sandbox = Sandbox::Create(limits);
    EXPECT_TRUE(sandbox.ok()) << sandbox.status();
    return sandbox.ok() ? *std::move(sandbox) : nullptr;
  }

  SandboxVerdict Run(const std::string& program, const std::string& tests) {
    const auto verdict = sandbox_->Run(program, tests);
    EXPECT_TRUE(verdict.ok()) << verdict.status();
    return verdict.ok() ? *verdict : SandboxVerdict{};
  }

  std::unique_ptr<const Sandbox> sandbox_;
};

// Processes of the harness on this machine.
int HarnessesRunning() {
  int running = 0;
  const auto names = ListDirectory("/proc");
  for (const std::string& name : *names) {
    if (name.find_first_not_of("0123456789") != name.npos) continue;
    FILE* file =
        std::fopen(absl::StrCat("/proc/", name, "/cmdline").c_str(), "re");
    if (file == nullptr) continue;
    char line[4096];
    const size_t bytes = std::fread(line, 1, sizeof(line), file);
    std::fclose(file);
    running += absl::StrContains(absl::string_view(line, bytes),
                                 "apart from it, the tests that judge it");
  }
  return running;
}

void ExpectNothingLeft() {
  const absl::Time deadline = absl::Now() + absl::Seconds(5);
  while (HarnessesRunning() > 0 && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_EQ(HarnessesRunning(), 0);
}

TEST_P(SandboxTest, JudgesByTheTests) {
  const std::string add = "def add(a, b):\n  return a + b\n";
  EXPECT_EQ(Run(add, "assert add(2, 3) == 5").end, End::kPassed);
  const SandboxVerdict wrong =
      Run(add, "assert add(2, 3) == 5\nassert add(2, 2) == 5");
  EXPECT_EQ(wrong.end, End::kFailed);
  EXPECT_EQ(wrong.said, "AssertionError in line 2 of the tests");
  EXPECT_EQ(Run("def f(x):\n  return {'a': [x, None]}",
                "assert [f(i)['a'][0] for i in range(3)] == [0, 1, 2]")
                .end,
            End::kPassed);
  EXPECT_EQ(Run("x = 1 / 0", "assert True").said,
            "ZeroDivisionError: division by zero");
  EXPECT_EQ(Run("def f(", "assert True").end, End::kFailed);
  EXPECT_EQ(Run("def g(): return 1", "assert f() == 1").end, End::kFailed);
  EXPECT_EQ(Run("", "assert True").end, End::kPassed);
}

TEST_P(SandboxTest, TestsThatAreNotPythonAreAnErrorNotAVerdict) {
  const auto verdict = sandbox_->Run("x = 1", "assert (");
  EXPECT_EQ(verdict.status().code(), absl::StatusCode::kInvalidArgument)
      << verdict.status();
}

// None passes tests that it does not satisfy.
TEST_P(SandboxTest, AProgramCannotForgeAPass) {
  for (const char* program : {
           "import os\nos._exit(0)",
           "import sys\nsys.exit(0)",
           "print('passed')\nimport os\nos.write(1, b'begun\\npassed\\n')",
           "import os\nfor fd in range(3, 64):\n  try:\n    os.write(fd, b'x "
           "passed\\n')\n  except OSError:\n    pass\ndef f(x): return 0",
           "class Same(int):\n  def __eq__(self, o): return True\n"
           "def f(x): return Same(1)",
           "class Any:\n  def __eq__(self, o): return True\n"
           "def f(x): return Any()",
           "import sys\nNEEDLE = b'as' + b'sert'\ndef f(x):\n  frame = "
           "sys._getframe()\n  while frame:\n"
           "    for v in list(frame.f_locals.values()):\n"
           "      if isinstance(v, bytes) and NEEDLE in v: return 4320 + 1\n"
           "    frame = frame.f_back",
           "import gc\ndef f(x):\n  for o in gc.get_objects():\n"
           "    if isinstance(o, (str, bytes)) and 'as' + 'sert f(1)' in "
           "str(o):\n"
           "      return 4321",
           "import os\ndef f(x):\n  out = []\n  for fd in range(64):\n    "
           "try:\n"
           "      os.set_blocking(fd, False)\n"
           "      if b'4320' in os.read(fd, 99): return 4321\n"
           "    except OSError: pass",
           "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)",
           "import os, signal\nos.kill(1, signal.SIGKILL)",
           "import os, signal\nos.kill(-1, signal.SIGKILL)",
           "import builtins\nbuiltins.AssertionError = ValueError\n"
           "builtins.compile = None\ndef f(x): return 1",
       }) {
    EXPECT_NE(Run(program, "assert f(1) == 4320 + 1").end, End::kPassed)
        << program;
  }
}

TEST_P(SandboxTest, LimitsHold) {
  EXPECT_EQ(
      Run("def f():\n  return len(bytearray(1 << 30))", "assert f() == 1 << 30")
          .end,
      End::kFailed);
  EXPECT_EQ(Run("while True: pass", "assert True").end, End::kTimeout);
  EXPECT_NE(Run("with open('big', 'wb') as f:\n  for i in range(64):\n"
                "    f.write(b'x' * (1 << 20))",
                "assert True")
                .end,
            End::kPassed);
}

TEST_P(SandboxTest, ASleeperIsStoppedAtTheWallLimit) {
  v1::Sandbox limits = Limits();
  limits.set_wall_ms(1500);
  sandbox_ = Make(limits);
  const absl::Time start = absl::Now();
  const auto verdict = sandbox_->Run("import time\ntime.sleep(60)", "");
  if (verdict.ok()) {  // else the machine was too busy to begin in time
    EXPECT_EQ(verdict->end, End::kTimeout);
  } else {
    EXPECT_EQ(verdict.status().code(), absl::StatusCode::kUnavailable);
  }
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
  ExpectNothingLeft();
}

TEST_P(SandboxTest, AForkBombLeavesNothingBehind) {
  if (std::string(GetParam()) == "runtime-class" && geteuid() != 0) {
    GTEST_SKIP() << "NOT TESTED: without root, processes on a shared machine "
                    "are bounded by the pod only";
  }
  Run("import os\nwhile True:\n  try:\n    os.fork()\n  except OSError:\n"
      "    pass\n",
      "assert True");
  ExpectNothingLeft();
}

TEST_P(SandboxTest, TenGigabytesOfOutputLeaveNothingBehind) {
  const absl::Time start = absl::Now();
  EXPECT_EQ(Run("import os\nfor i in range(10 << 10):\n"
                "  os.write(1, b'x' * (1 << 20))\n",
                "assert True")
                .end,
            End::kOutput);
  EXPECT_LT(absl::Now() - start, absl::Seconds(9));
  ExpectNothingLeft();
}

TEST_P(SandboxTest, ASleepingChildLeavesNothingBehind) {
  EXPECT_EQ(Run("import os, time\nif os.fork() == 0:\n  try: os.setsid()\n"
                "  except OSError: pass\n  os.close(1); os.close(2)\n"
                "  time.sleep(600)\ndef f(): return 1",
                "assert f() == 1")
                .end,
            End::kPassed);
  ExpectNothingLeft();
}

TEST_P(SandboxTest, RunsAtTheSameTimeDoNotMeet) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 4; ++i) {
        const std::string program = absl::StrCat(
            "import os\nold = os.listdir('.')\nopen('", t,
            "', 'w').close()\ndef f(): return (old, os.listdir('.'))");
        const SandboxVerdict verdict =
            Run(program, absl::StrCat("assert f() == ([], ['", t, "'])"));
        EXPECT_EQ(verdict.end, End::kPassed) << verdict.said;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_P(SandboxTest, EveryEscapeIsContainedThatSucceedsOutside) {
  if (std::string(GetParam()) != "bubblewrap") {
    GTEST_SKIP() << "a shared machine's files are its own affair";
  }
#ifndef __x86_64__
  GTEST_SKIP() << "NOT TESTED: the attempts number system calls of x86-64";
#endif
  const std::string list =
      JoinPath(testing::TempDir(), "sandbox_test_attempts");
  ASSERT_TRUE(Succeeds(
      absl::StrCat("/usr/bin/python3 -I ", kAttempts, " | tee ", list)));
  const std::string names = *ReadFile(list);
  const std::string program = *ReadFile(kAttempts);
  ASSERT_TRUE(WriteFileAtomically("/tmp/operant_escape_mark", "x").ok());
  setenv("OPERANT_ESCAPE_PID", absl::StrCat(getpid()).c_str(), 1);
  EXPECT_EQ(Run(program, "assert works_inside()").end, End::kPassed);
  int attempts = 0;
  for (const std::string& name : std::vector<std::string>(
           absl::StrSplit(names, '\n', absl::SkipEmpty()))) {
    ++attempts;
    EXPECT_TRUE(
        Succeeds(absl::StrCat("/usr/bin/python3 -I ", kAttempts, " ", name)))
        << "the control of " << name << " fails outside";
    const SandboxVerdict verdict =
        Run(program, absl::StrCat("assert escaped('", name, "')"));
    EXPECT_EQ(verdict.end, End::kFailed) << name;
    EXPECT_EQ(verdict.said, "AssertionError in line 1 of the tests") << name;
  }
  EXPECT_GE(attempts, kLeastAttempts);
  std::remove("/tmp/operant_escape_mark");
}

INSTANTIATE_TEST_SUITE_P(Kinds, SandboxTest,
                         testing::Values("bubblewrap", "runtime-class"),
                         [](const auto& info) {
                           return std::string(info.param) == "bubblewrap"
                                      ? "Bubblewrap"
                                      : "RuntimeClass";
                         });

TEST(SandboxCreateTest, RefusesWithoutASandbox) {
  v1::Sandbox limits = Limits();
  for (const char* python : {"/nowhere/python3", "/bin/sh"}) {
    limits.set_python(python);
    const absl::Status status = Sandbox::Create(limits).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << python;
    EXPECT_TRUE(absl::StrContains(status.message(), "no sandbox")) << status;
  }
  if (!BubblewrapRuns()) {
    EXPECT_EQ(Sandbox::Create(Limits()).status().code(),
              absl::StatusCode::kFailedPrecondition);
  }
}

TEST(FindProgramTest, TakesTheLastPythonFenceElseAll) {
  EXPECT_EQ(FindProgram("x = 1"), "x = 1");
  EXPECT_EQ(FindProgram("so:\n```python\nx = 1\n```\nand\n```py\ny = 2\n```"),
            "y = 2\n");
  EXPECT_EQ(FindProgram("```python\nx = 1"), "x = 1");
  EXPECT_EQ(FindProgram("```\nx = 1\n```\n```cobol\nSTOP RUN\n```"), "x = 1\n");
  EXPECT_FALSE(FindProgram("```cobol\nSTOP RUN\n```").has_value());
  EXPECT_FALSE(FindProgram(" \n").has_value());
}

// A response goes on where its prompt ends: often with a blank, with which
// Python takes no program.
TEST(FindProgramTest, LeavesOutTheBlanksBeforeAProgramWithoutAFence) {
  EXPECT_EQ(FindProgram(" \n  def f(x):\n  return x\n"),
            "def f(x):\n  return x\n");
}

std::unique_ptr<Scorer> CodeScorerHere() {
  v1::Sandbox limits = Limits();
  if (!BubblewrapRuns()) limits.set_kind("runtime-class");
  auto scorer = CodeScorer::Create(limits);
  EXPECT_TRUE(scorer.ok()) << scorer.status();
  return *std::move(scorer);
}

TEST(CodeScorerTest, ScoresOneOrZeroWithTheReason) {
  const auto scorer = CodeScorerHere();
  const v1::ScoreResult good =
      ScoreOne(*scorer, TextItem("def f(x): return 2 * x", "assert f(2) == 4"));
  EXPECT_EQ(good.score(), 1);
  EXPECT_EQ(good.components().at("passed"), 1);
  const v1::ScoreResult bad =
      ScoreOne(*scorer, TextItem("def f(x): return x", "assert f(2) == 4"));
  EXPECT_EQ(bad.score(), 0);
  EXPECT_EQ(bad.components().at("failed"), 1);
  EXPECT_FALSE(bad.notes().at("said").empty());
  const v1::ScoreResult none =
      ScoreOne(*scorer, TextItem("```cobol\nx\n```", "assert f(2) == 4"));
  EXPECT_EQ(none.components().at("no_program"), 1);
  EXPECT_EQ(none.score(), 0);
}

TEST(CodeScorerTest, ARightProgramOfTheDemoPassesAndAWrongOneFails) {
  const auto task = MakeProgramTask({});
  ASSERT_TRUE(task.ok()) << task.status();
  const auto scorer = CodeScorerHere();
  for (int i = 0; i < 5; ++i) {
    const TaskData::Task& right = task->heldout[i];
    EXPECT_EQ(ScoreOne(*scorer, TextItem(right.response, right.ground_truth))
                  .components()
                  .at("passed"),
              1)
        << right.prompt << right.response;
    EXPECT_EQ(
        ScoreOne(*scorer, TextItem(right.response + " + 1", right.ground_truth))
            .components()
            .at("failed"),
        1)
        << right.prompt << right.response;
  }
}

TEST(CodeScorerTest, BadRowsAreErrorsNamingRowAndField) {
  const auto scorer = CodeScorerHere();
  v1::ScoreItem cobol = TextItem("x = 1", "assert x == 1");
  (*cobol.mutable_metadata()->mutable_fields())["language"].set_string_value(
      "cobol");
  const struct {
    v1::ScoreItem item;
    const char* told;
  } rows[] = {
      {cobol, "row='prompt-17' metadata.language='cobol'"},
      {TextItem("x = 1", ""), "row='prompt-17' ground_truth=''"},
      {TextItem("x = 1", "assert ("), "row='prompt-17' ground_truth: tests"},
  };
  for (const auto& row : rows) {
    const v1::ScoreResult result = ScoreOne(*scorer, row.item);
    ASSERT_TRUE(result.has_error()) << row.told;
    EXPECT_TRUE(absl::StrContains(result.error().message(), row.told))
        << result.error().message();
    EXPECT_FALSE(result.error().retryable());
  }
}

}  // namespace
}  // namespace operant::reward
