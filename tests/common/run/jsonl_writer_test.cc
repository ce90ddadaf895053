#include "common/run/jsonl_writer.h"

#include <fstream>

#include "common/base/file_io.h"
#include "gtest/gtest.h"
#include "tests/common/run/temp_folder.h"

namespace operant {
namespace {

void Write(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}

TEST(JsonlWriterTest, AppendsOneLineARowAcrossReopening) {
  const TempFolder folder;
  const std::string path = folder.File("metrics.jsonl");
  for (const char* row : {R"({"step":1})", R"({"step":2})"}) {
    auto writer = JsonlWriter::Open(path);
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE((*writer)->Append(row).ok());
    ASSERT_TRUE((*writer)->Sync().ok());
  }
  EXPECT_EQ(*ReadFile(path), "{\"step\":1}\n{\"step\":2}\n");
}

TEST(JsonlWriterTest, RefusesARowOfTwoLines) {
  const TempFolder folder;
  auto writer = JsonlWriter::Open(folder.File("a.jsonl"));
  ASSERT_TRUE(writer.ok());
  EXPECT_EQ((*writer)->Append("{}\n{}").code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(CutJsonlAfterStepTest, DropsLaterStepsAndATornLastLine) {
  const TempFolder folder;
  const std::string path = folder.File("metrics.jsonl");
  Write(path,
        "{\"step\":1}\n{\"note\":\"kept\"}\n{\"step\":2}\n{\"step\":3}\n"
        "{\"step\":");
  ASSERT_TRUE(CutJsonlAfterStep(path, 2).ok());
  EXPECT_EQ(*ReadFile(path),
            "{\"step\":1}\n{\"note\":\"kept\"}\n{\"step\":2}\n");
}

TEST(CutJsonlAfterStepTest, AcceptsAMissingFile) {
  const TempFolder folder;
  EXPECT_TRUE(CutJsonlAfterStep(folder.File("none"), 2).ok());
}

TEST(CutJsonlAfterStepTest, NamesTheLineThatIsNotJson) {
  const TempFolder folder;
  const std::string path = folder.File("metrics.jsonl");
  Write(path, "{\"step\":1}\nstep two\n");
  const absl::Status status = CutJsonlAfterStep(path, 2);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(status.message().find(":2:"), absl::string_view::npos) << status;
}

}  // namespace
}  // namespace operant
