#include "common/text/task_data.h"

#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

TEST(TaskDataTest, SumsAreRightAndNoPromptIsInBothParts) {
  const auto data = MakeAdditionTask({}, 12, false);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->train.size() + data->heldout.size(), 144u);
  EXPECT_EQ(data->heldout.size(), 18u);
  std::set<std::string> prompts;
  for (const auto* part : {&data->train, &data->heldout}) {
    for (const TaskData::Task& task : *part) {
      EXPECT_TRUE(prompts.insert(task.prompt).second) << task.prompt;
      const int a = std::atoi(task.prompt.c_str());
      const int b =
          std::atoi(task.prompt.substr(task.prompt.find('+') + 1).c_str());
      EXPECT_EQ(task.ground_truth, absl::StrCat(a + b));
      EXPECT_EQ(task.response, " " + task.ground_truth);
    }
  }
  EXPECT_TRUE(data->ratings.empty());
}

TEST(TaskDataTest, TheWrongShareOfTheExamplesIsWrong) {
  for (const bool programs : {false, true}) {
    TaskDataOptions options;
    options.wrong_share = 0.3;
    const auto data = programs ? MakeProgramTask(options)
                               : MakeAdditionTask(options, 50, false);
    ASSERT_TRUE(data.ok());
    std::map<std::string, std::string> right;
    for (const TaskData::Task& task : data->train) {
      right[task.prompt] = task.response;
    }
    double wrong = 0;
    for (const TaskData::Example& example : data->examples) {
      wrong += right.at(example.prompt) != example.response;
    }
    EXPECT_NEAR(wrong / static_cast<double>(data->examples.size()), 0.3, 0.03);
  }
}

TEST(TaskDataTest, EveryAnswerIsRatedOnceBestIfRight) {
  const auto data = MakeAdditionTask({}, 10, true);
  ASSERT_TRUE(data.ok());
  EXPECT_EQ(data->ratings.size(), 100u * 19u);
  std::set<std::string> pairs;
  int best = 0;
  for (const TaskData::Rating& rating : data->ratings) {
    EXPECT_TRUE(pairs.insert(rating.prompt + rating.response).second);
    EXPECT_GE(rating.rating, 1);
    best += rating.rating == 5;
  }
  EXPECT_EQ(best, 100);
}

TEST(TaskDataTest, AProgramReadsFromLeftToRight) {
  const auto data = MakeProgramTask({});
  ASSERT_TRUE(data.ok());
  EXPECT_EQ(data->train.size() + data->heldout.size(), 27u + 27u * 27u);
  bool found = false;
  for (const auto* part : {&data->train, &data->heldout}) {
    for (const TaskData::Task& task : *part) {
      if (task.prompt != "x plus 3 times 4:") continue;
      found = true;
      EXPECT_EQ(task.response, " def f(x): return (x + 3) * 4");
      EXPECT_EQ(task.ground_truth,
                "assert f(2) == 20\nassert f(5) == 32\nassert f(11) == 56");
    }
  }
  EXPECT_TRUE(found);
}

TEST(TaskDataTest, SeedsDecide) {
  TaskDataOptions other;
  other.seed = 2;
  const auto first = MakeAdditionTask({}, 20, false);
  const auto again = MakeAdditionTask({}, 20, false);
  const auto second = MakeAdditionTask(other, 20, false);
  ASSERT_TRUE(first.ok() && again.ok() && second.ok());
  EXPECT_EQ(first->examples[0].response, again->examples[0].response);
  EXPECT_EQ(first->heldout[3].prompt, again->heldout[3].prompt);
  EXPECT_NE(first->heldout[3].prompt, second->heldout[3].prompt);
}

TEST(TaskDataTest, RefusesOptionsOutOfRange) {
  TaskDataOptions options;
  EXPECT_FALSE(MakeAdditionTask(options, 1, false).ok());
  EXPECT_FALSE(MakeAdditionTask(options, 1001, false).ok());
  options.wrong_share = 1;
  EXPECT_FALSE(MakeProgramTask(options).ok());
  options = {};
  options.heldout_every = 1;
  EXPECT_FALSE(MakeProgramTask(options).ok());
}

TEST(TaskDataTest, WritesWhatTheReadersRead) {
  const std::string folder = JoinPath(testing::TempDir(), "task_data_test");
  const auto data = MakeAdditionTask({}, 5, true);
  ASSERT_TRUE(data.ok());
  ASSERT_TRUE(WriteTaskData(*data, folder).ok());
  const std::string prompts = *ReadFile(JoinPath(folder, "prompts.jsonl"));
  EXPECT_NE(prompts.find("\"ground_truth\":\""), std::string::npos);
  for (const char* name : {"examples.jsonl", "heldout.jsonl", "ratings.jsonl",
                           "heldout_prompts.jsonl"}) {
    EXPECT_TRUE(FileExists(JoinPath(folder, name))) << name;
  }
  ASSERT_TRUE(RemoveTree(folder).ok());
}

}  // namespace
}  // namespace operant
