#include "learner/run_plot.h"

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "common/base/file_io.h"
#include "gtest/gtest.h"

namespace operant::learner {
namespace {

class RunPlotTest : public testing::Test {
 protected:
  std::string Folder(const std::string& name, const std::string& metrics,
                     const std::string& result) {
    const std::string folder = testing::TempDir() + "/run_plot/" + name;
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    Write(folder + "/metrics.jsonl", metrics);
    if (!result.empty()) Write(folder + "/result.json", result);
    return folder;
  }

  static void Write(const std::string& path, const std::string& text) {
    const absl::Status status = WriteFileAtomically(path, text);
    ASSERT_TRUE(status.ok()) << status;
  }
};

int Count(const std::string& text, const std::string& word) {
  int count = 0;
  for (size_t at = text.find(word); at != text.npos;
       at = text.find(word, at + 1)) {
    ++count;
  }
  return count;
}

constexpr char kTwoSteps[] =
    "{\"responses\":10,\"score_mean\":0.25,\"response_tokens_mean\":4,"
    "\"reference_kl_per_response\":0}\n"
    "{\"responses\":20,\"score_mean\":0.5,\"response_tokens_mean\":4,"
    "\"reference_kl_per_response\":0.1}\n"
    "{\"responses\":20,\"eval_score_mean\":0.5}\n";

TEST_F(RunPlotTest, DrawsALineForEachRunInEachPanelAndNamesIt) {
  const std::string done = Folder("seed-1", kTwoSteps,
                                  "{\"responses_trained\":20,\"raw\":"
                                  "{\"mean_score\":0.25},\"trained\":"
                                  "{\"mean_score\":0.75}}");
  const std::string going_on = Folder("seed-2", kTwoSteps, "");
  const auto svg =
      PlotRuns("both", std::vector<std::string>{done, going_on + "/"});
  ASSERT_TRUE(svg.ok()) << svg.status();
  EXPECT_EQ(Count(*svg, "<polyline"), 8);  // 2 runs, 4 panels
  EXPECT_EQ(Count(*svg, ">seed-1</text>"), 4);
  EXPECT_EQ(Count(*svg, ">seed-2</text>"), 4);
  // Held out: before, between and after of the run that is done.
  EXPECT_EQ(Count(*svg, "<circle"), 3 + 1);
}

TEST_F(RunPlotTest, ARunWithoutMetricsIsNamed) {
  const auto svg =
      PlotRuns("none", std::vector<std::string>{"/nowhere/seed-3"});
  ASSERT_FALSE(svg.ok());
  EXPECT_TRUE(absl::StrContains(svg.status().message(), "/nowhere/seed-3"))
      << svg.status();
}

TEST_F(RunPlotTest, ALineThatIsNoJsonIsNamed) {
  const std::string folder = Folder("torn", "{\"responses\":10}\n{\"resp", "");
  const auto svg = PlotRun("torn", folder + "/metrics.jsonl");
  EXPECT_EQ(svg.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(absl::StrContains(svg.status().message(), "metrics.jsonl:2"))
      << svg.status();
}

}  // namespace
}  // namespace operant::learner
