#include "common/deploy/write_folder.h"

#include <filesystem>
#include <fstream>

#include "common/base/file_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/common/run/temp_folder.h"

namespace operant::deploy {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Files Rendered(const std::string& text) {
  return {{"README.md", std::string(kRenderedMark) + "\n"}, {"a/b.yaml", text}};
}

class WriteFolderTest : public ::testing::Test {
 protected:
  std::string Out() const { return temp_.File("out"); }
  std::vector<std::string> Beside() const {
    return *ListDirectory(temp_.path());
  }
  TempFolder temp_;
};

TEST_F(WriteFolderTest, WritesAllFilesAndLeavesNothingBeside) {
  ASSERT_TRUE(WriteFolder(Out() + "/", Rendered("1")).ok());
  EXPECT_EQ(*ReadFile(Out() + "/a/b.yaml"), "1");
  EXPECT_THAT(Beside(), ElementsAre("out"));
}

TEST_F(WriteFolderTest, ReplacesWhatWasRenderedAndKeepsNoOldFile) {
  Files old = Rendered("1");
  old["old.yaml"] = "x";
  ASSERT_TRUE(WriteFolder(Out(), old).ok());
  ASSERT_TRUE(WriteFolder(Out(), Rendered("2")).ok());
  EXPECT_EQ(*ReadFile(Out() + "/a/b.yaml"), "2");
  EXPECT_FALSE(FileExists(Out() + "/old.yaml"));
  EXPECT_THAT(Beside(), ElementsAre("out"));
}

TEST_F(WriteFolderTest, AFolderOfTheUsersIsRefusedAndUntouched) {
  fs::create_directories(Out());
  std::ofstream(Out() + "/README.md") << "mine";
  const absl::Status status = WriteFolder(Out(), Rendered("1"));
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(status.message()), HasSubstr(Out()));
  EXPECT_THAT(*ListDirectory(Out()), ElementsAre("README.md"));
}

TEST_F(WriteFolderTest, AnErrorOnTheWayLeavesTheOldFolder) {
  ASSERT_TRUE(WriteFolder(Out(), Rendered("1")).ok());
  Files broken = Rendered("2");
  broken["a/b.yaml/c"] = "a file is in the way of this folder";
  EXPECT_FALSE(WriteFolder(Out(), broken).ok());
  EXPECT_EQ(*ReadFile(Out() + "/a/b.yaml"), "1");
  EXPECT_THAT(Beside(), ElementsAre("out"));
}

}  // namespace
}  // namespace operant::deploy
