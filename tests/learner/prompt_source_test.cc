#include "learner/prompt_source.h"

#include <set>

#include "gtest/gtest.h"

namespace operant::learner {
namespace {

std::vector<PromptRow> Rows(int count) {
  std::vector<PromptRow> rows(count);
  for (int i = 0; i < count; ++i) rows[i].line = i;
  return rows;
}

std::vector<int64_t> Lines(PromptSource& source, uint64_t begin, int count) {
  std::vector<int64_t> lines;
  for (int i = 0; i < count; ++i) lines.push_back(source.At(begin + i).line);
  return lines;
}

TEST(PromptSourceTest, EachEpochVisitsEveryRowOnce) {
  PromptSource source(Rows(17), /*seed=*/5, /*keep_order=*/false);
  for (int epoch = 0; epoch < 3; ++epoch) {
    const auto lines = Lines(source, epoch * 17, 17);
    EXPECT_EQ(std::set<int64_t>(lines.begin(), lines.end()).size(), 17u);
  }
}

TEST(PromptSourceTest, EpochsAndSeedsDifferInOrder) {
  PromptSource source(Rows(17), 5, false);
  PromptSource other(Rows(17), 6, false);
  EXPECT_NE(Lines(source, 0, 17), Lines(source, 17, 17));
  EXPECT_NE(Lines(source, 0, 17), Lines(other, 0, 17));
}

TEST(PromptSourceTest, ACursorNamesTheSameRowHoweverItIsReached) {
  PromptSource walked(Rows(17), 5, false);
  const auto all = Lines(walked, 0, 51);
  PromptSource jumped(Rows(17), 5, false);
  for (uint64_t cursor : {40, 3, 50, 18})
    EXPECT_EQ(jumped.At(cursor).line, all[cursor]);
}

TEST(PromptSourceTest, KeepOrderIsTheFilesOrder) {
  PromptSource source(Rows(3), 5, /*keep_order=*/true);
  EXPECT_EQ(Lines(source, 0, 5), (std::vector<int64_t>{0, 1, 2, 0, 1}));
}

}  // namespace
}  // namespace operant::learner
