// One item through a scorer.
#ifndef OPERANT_TESTS_TESTING_SCORE_ONE_H_
#define OPERANT_TESTS_TESTING_SCORE_ONE_H_

#include <string>

#include "gtest/gtest.h"
#include "reward/scorer.h"

namespace operant::reward {

// What `scorer` says of `item`, alone in its request.
inline v1::ScoreResult ScoreOne(const Scorer& scorer,
                                const v1::ScoreItem& item) {
  Scorer::Items items;
  *items.Add() = item;
  Scorer::Results results;
  scorer.Score(
      items, [] { return false; }, results);
  EXPECT_EQ(results.size(), 1);
  return results.empty() ? v1::ScoreResult() : results[0];
}

// An item of the row "prompt-17".
inline v1::ScoreItem TextItem(const std::string& response,
                              const std::string& truth = "") {
  v1::ScoreItem item;
  item.set_id("t");
  item.set_group_id("prompt-17");
  item.set_response(response);
  item.set_ground_truth(truth);
  item.set_finish(v1::FINISH_REASON_STOP);
  return item;
}

}  // namespace operant::reward

#endif  // OPERANT_TESTS_TESTING_SCORE_ONE_H_
