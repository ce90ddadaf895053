#include "common/run/run_directory.h"

#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "common/base/file_io.h"
#include "gtest/gtest.h"
#include "tests/common/run/temp_folder.h"

namespace operant {
namespace {

using Mode = RunDirectory::Mode;

void Touch(const std::string& path) { std::ofstream(path) << "{}\n"; }

// Runs `body` in a child process and returns its exit code.
template <typename Body>
int InChild(Body body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  int status = 0;
  waitpid(pid, &status, 0);
  return WEXITSTATUS(status);
}

TEST(RunDirectoryTest, LaysOutItsFolders) {
  const TempFolder root;
  auto run = RunDirectory::Open(root.path(), "demo", Mode::kFresh);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_FALSE((*run)->was_used());
  EXPECT_EQ((*run)->checkpoint_path(7),
            root.path() + "/demo/checkpoints/step_7");
  for (const char* name : {"checkpoints", "samples", "logs", "plots"}) {
    EXPECT_TRUE(FileExists(root.path() + "/demo/" + name)) << name;
  }
}

TEST(RunDirectoryTest, RefusesAUsedDirectoryUnlessResumed) {
  const TempFolder root;
  {
    auto run = RunDirectory::Open(root.path(), "demo", Mode::kFresh);
    ASSERT_TRUE(run.ok());
    Touch((*run)->metrics_path());
  }
  EXPECT_EQ(
      RunDirectory::Open(root.path(), "demo", Mode::kFresh).status().code(),
      absl::StatusCode::kAlreadyExists);
  auto resumed = RunDirectory::Open(root.path(), "demo", Mode::kResume);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_TRUE((*resumed)->was_used());
}

TEST(RunDirectoryTest, TakesADirectoryWhoseStartFailed) {
  const TempFolder root;
  {
    auto failed = RunDirectory::Open(root.path(), "demo", Mode::kFresh);
    ASSERT_TRUE(failed.ok());
    Touch((*failed)->log_path("learner"));
  }
  EXPECT_TRUE(RunDirectory::Open(root.path(), "demo", Mode::kFresh).ok());
}

TEST(RunDirectoryTest, RefusesAnUnsafeName) {
  const TempFolder root;
  for (const char* name : {"", "../up", "a/b", ".hidden"}) {
    EXPECT_EQ(
        RunDirectory::Open(root.path(), name, Mode::kFresh).status().code(),
        absl::StatusCode::kInvalidArgument)
        << name;
  }
}

TEST(RunDirectoryTest, SharesItsLockWithAChildOfTheHolder) {
  const TempFolder root;
  auto held = RunDirectory::Open(root.path(), "demo", Mode::kFresh);
  ASSERT_TRUE(held.ok());
  EXPECT_EQ(InChild([&] {
              const auto shared =
                  RunDirectory::Open(root.path(), "demo", Mode::kFresh);
              return shared.ok() ? 0 : 1;
            }),
            0);
}

TEST(RunDirectoryTest, KeepsAnotherProcessOut) {
  const TempFolder root;
  auto held = RunDirectory::Open(root.path(), "demo", Mode::kFresh);
  ASSERT_TRUE(held.ok());
  // A grandchild's parent is not the holder.
  const auto open_as_stranger = [&] {
    const auto status =
        RunDirectory::Open(root.path(), "demo", Mode::kResume).status();
    return static_cast<int>(status.code());
  };
  EXPECT_EQ(InChild([&] { return InChild(open_as_stranger); }),
            static_cast<int>(absl::StatusCode::kFailedPrecondition));
}

TEST(RunDirectoryTest, MergesResultsKeyByKey) {
  const TempFolder root;
  auto run = RunDirectory::Open(root.path(), "demo", Mode::kFresh);
  ASSERT_TRUE(run.ok());
  ASSERT_TRUE((*run)->MergeResult(R"({"seconds":{"rl":9},"cpu":"x"})").ok());
  ASSERT_TRUE((*run)->MergeResult(R"({"seconds":{"setup":1}})").ok());
  const std::string text = *ReadFile((*run)->result_path());
  for (const char* part : {"\"rl\": 9", "\"setup\": 1", "\"cpu\": \"x\""}) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
  EXPECT_EQ((*run)->MergeResult("[1]").code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace operant
