#include <filesystem>
#include <string>

#include "absl/strings/str_join.h"
#include "common/base/file_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/layering/include_rule.h"

namespace operant {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Faults(const std::string& path,
                                const std::string& included) {
  return IncludeFaults(path, "// a comment\n\n#include " + included + "\n");
}

TEST(IncludeRuleTest, FindsAnIncludeOfAHigherOrSiblingLayer) {
  const std::pair<const char*, const char*> table[] = {
      {"common/base/a.cc", "\"common/text/b.h\""},
      {"common/base/a.cc", "\"common/nn/b.h\""},
      {"common/text/a.h", "\"common/run/b.h\""},
      {"common/reward_client/a.h", "\"reward/b.h\""},
      {"common/nn/a.cc", "\"learner/b.h\""},
      {"rollout/a.cc", "\"reward/b.h\""},
      {"reward/a.cc", "\"learner/b.h\""},
      {"learner/a.cc", "\"rollout/b.h\""},
      {"learner/a.cc", "\"cli/b.h\""},
      {"cli/a.cc", "\"tests/cli/b.h\""},
      {"rollout/a.cc", "  \"reward/b.h\"  // why"},
      {"rollout/a.cc", "<reward/b.h>"},
  };
  for (const auto& [path, included] : table) {
    EXPECT_THAT(Faults(path, included),
                ElementsAre(HasSubstr(std::string(path) + ":3: ")))
        << included;
  }
}

TEST(IncludeRuleTest, AllowsTheFolderItselfAndLowerLayers) {
  const std::pair<const char*, const char*> table[] = {
      {"common/base/a.cc", "\"common/base/b.h\""},
      {"common/base/a.h", "\"operant/v1/config.pb.h\""},
      {"common/text/a.cc", "\"common/base/b.h\""},
      {"common/nn/a.cc", "\"common/text/b.h\""},
      {"learner/a.cc", "\"common/reward_client/b.h\""},
      {"cli/a.cc", "\"rollout/b.h\""},
      {"tests/learner/a_test.cc", "\"cli/b.h\""},
      {"bench/a.cc", "\"learner/b.h\""},
      {"common/base/a.cc", "<vector>"},
      {"common/base/a.cc", "\"grpcpp/server.h\""},
  };
  for (const auto& [path, included] : table) {
    EXPECT_THAT(Faults(path, included), IsEmpty()) << path << included;
  }
}

TEST(IncludeRuleTest, FindsTorchWhereItMayNotBe) {
  const std::pair<const char*, const char*> table[] = {
      {"common/base/a.cc", "<torch/torch.h>"},
      {"common/text/a.cc", "<ATen/core/Tensor.h>"},
      {"common/run/a.h", "<c10/core/Device.h>"},
      {"learner/a.h", "<torch/torch.h>"},
      {"rollout/a.h", "<ATen/ATen.h>"},
      {"tests/common/nn/a.h", "<torch/torch.h>"},
  };
  for (const auto& [path, included] : table) {
    EXPECT_EQ(Faults(path, included).size(), 1u) << path << included;
  }
  EXPECT_THAT(Faults("learner/a.h", "<ATen/core/Tensor.h>"), IsEmpty());
  EXPECT_THAT(Faults("learner/a.cc", "<torch/torch.h>"), IsEmpty());
}

TEST(IncludeRuleTest, OtherLinesAreNoIncludes) {
  for (const char* source :
       {"", "#", "#include", "#include \"reward/b.h",
        "#define X \"reward/b.h\"", "// #include \"reward/b.h\"",
        "f(\"#include\");"}) {
    EXPECT_THAT(IncludeFaults("rollout/a.cc", source), IsEmpty()) << source;
  }
}

TEST(IncludeRuleTest, TheLastLineNeedsNoNewline) {
  EXPECT_EQ(IncludeFaults("rollout/a.cc", "#include \"reward/b.h\"").size(),
            1u);
}

bool IsSource(const fs::path& path) {
  return path.extension() == ".h" || path.extension() == ".cc" ||
         path.extension() == ".cu";
}

TEST(LayeringTest, TheTreeKeepsTheRule) {
  std::vector<std::string> faults;
  int files = 0;
  for (const char* folder :
       {"common", "rollout", "reward", "learner", "cli", "tests", "bench"}) {
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (!entry.is_regular_file() || !IsSource(entry.path())) continue;
      const auto source = ReadFile(entry.path().string());
      ASSERT_TRUE(source.ok()) << source.status();
      const auto found = IncludeFaults(entry.path().string(), *source);
      faults.insert(faults.end(), found.begin(), found.end());
      ++files;
    }
  }
  EXPECT_THAT(faults, IsEmpty()) << absl::StrJoin(faults, "\n");
  EXPECT_GT(files, 50) << "run from the repository's root";
}

}  // namespace
}  // namespace operant
