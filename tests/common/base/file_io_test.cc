#include "common/base/file_io.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FileIoTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = absl::StrCat(testing::TempDir(), "/file_io.", getpid(), ".",
                           test->name());
    ASSERT_TRUE(MakeDirectories(folder_).ok());
  }
  void TearDown() override { EXPECT_TRUE(RemoveTree(folder_).ok()); }

  std::string Path(const std::string& name) { return JoinPath(folder_, name); }
  std::string Write(const std::string& name, const std::string& contents) {
    EXPECT_TRUE(WriteFileAtomically(Path(name), contents).ok());
    return Path(name);
  }

  std::string folder_;
};

TEST_F(FileIoTest, ReadsWhatWasWritten) {
  const std::string bytes("a\0b\nc", 5);
  EXPECT_EQ(*ReadFile(Write("x", bytes)), bytes);
  EXPECT_EQ(*ReadFile(Write("x", "")), "");
  const std::string large(300000, 'z');
  EXPECT_EQ(*ReadFile(Write("x", large)), large);
}

TEST_F(FileIoTest, AReplacedFileLeavesNoTemporaryBehind) {
  Write("x", "old");
  Write("x", "new");
  EXPECT_THAT(*ListDirectory(folder_), ElementsAre("x"));
}

TEST_F(FileIoTest, AFailedReplacementLeavesTheOldContents) {
  ASSERT_TRUE(MakeDirectories(Path("taken")).ok());
  EXPECT_EQ(WriteFileAtomically(Path("taken"), "new").code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(*ListDirectory(folder_), ElementsAre("taken"));
}

TEST_F(FileIoTest, AMissingFileIsNotFoundNamingThePath) {
  const auto result = ReadFile(Path("none"));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr(Path("none")));
  EXPECT_EQ(ListDirectory(Path("none")).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(WriteFileAtomically(Path("none/x"), "").code(),
            absl::StatusCode::kNotFound);
}

TEST_F(FileIoTest, AFolderOrAPipeIsRefusedWithoutHanging) {
  EXPECT_EQ(ReadFile(folder_).status().code(),
            absl::StatusCode::kInvalidArgument);
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(ReadFile(Path("pipe")).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(FileIoTest, AFileOverTheLimitIsRefused) {
  const std::string path = Write("x", "12345");
  EXPECT_TRUE(ReadFile(path, 5).ok());
  EXPECT_EQ(ReadFile(path, 4).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(FileIoTest, ListsNamesSorted) {
  for (const char* name : {"c", "a", "b"}) Write(name, "");
  EXPECT_THAT(*ListDirectory(folder_), ElementsAre("a", "b", "c"));
  EXPECT_TRUE(FileExists(Path("a")));
  EXPECT_FALSE(FileExists(Path("d")));
}

using Lines = std::vector<std::pair<int64_t, std::string>>;

absl::StatusOr<Lines> LinesOf(const std::string& path, uint64_t limit = 100) {
  Lines lines;
  const absl::Status status =
      ForEachLine(path, limit, [&](int64_t number, std::string_view text) {
        lines.emplace_back(number, text);
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return lines;
}

TEST_F(FileIoTest, LinesAreNumberedAndBareOfTheirEnds) {
  EXPECT_EQ(*LinesOf(Write("x", "a\r\n\nlast")),
            (Lines{{1, "a"}, {2, ""}, {3, "last"}}));
  EXPECT_EQ(*LinesOf(Write("x", "a\n")), (Lines{{1, "a"}}));
  EXPECT_EQ(*LinesOf(Write("x", "")), Lines());
}

TEST_F(FileIoTest, LinesAcrossReadBoundariesStayWhole) {
  std::string contents;
  for (int i = 0; i < 30000; ++i) absl::StrAppend(&contents, "line ", i, "\n");
  const auto lines = LinesOf(Write("x", contents));
  ASSERT_TRUE(lines.ok());
  ASSERT_EQ(lines->size(), 30000u);
  for (int i = 0; i < 30000; ++i) {
    ASSERT_EQ((*lines)[i].second, absl::StrCat("line ", i));
  }
}

TEST_F(FileIoTest, ALineTooLongIsRefusedNamingPathAndLine) {
  for (const char* contents : {"ok\n123456\n", "ok\n123456"}) {
    const std::string path = Write("x", contents);
    EXPECT_TRUE(LinesOf(path, 6).ok());
    const auto result = LinesOf(path, 5);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(path + ":2"));
  }
}

TEST_F(FileIoTest, TheFirstErrorOfALineStopsTheReading) {
  int calls = 0;
  const absl::Status status = ForEachLine(
      Write("x", "a\nb\nc\n"), 100, [&](int64_t number, std::string_view) {
        ++calls;
        return number == 2 ? absl::DataLossError("bad") : absl::OkStatus();
      });
  EXPECT_EQ(status, absl::DataLossError("bad"));
  EXPECT_EQ(calls, 2);
}

TEST(FileNameTest, SafeNamesAreOnePathPart) {
  for (const char* name : {"a", "run-1", "0.x_y"}) {
    EXPECT_TRUE(IsSafeName(name)) << name;
  }
  for (const char* name : {"", ".", "..", "-a", "a/b", "a b", "\xc3\xa9"}) {
    EXPECT_FALSE(IsSafeName(name)) << name;
  }
  EXPECT_TRUE(IsSafeName(std::string(128, 'a')));
  EXPECT_FALSE(IsSafeName(std::string(129, 'a')));
}

TEST(ErrnoStatusTest, HasTheFittingCodeAndThePath) {
  const absl::Status status = ErrnoStatus(ENOSPC, "cannot write", "/x/y");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("cannot write /x/y: No space"));
  EXPECT_EQ(ErrnoStatus(EACCES, "", "").code(),
            absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace operant
