#include "common/reward_client/answer_wire.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

v1::ScoreResponse Honest(int items) {
  v1::ScoreResponse response;
  response.set_request_id("r");
  for (int i = 0; i < items; ++i) {
    v1::ScoreResult& result = *response.add_results();
    result.set_id(absl::StrCat(i));
    result.set_score(1);
    (*result.mutable_components())["part"] = 0.5;
    result.add_token_rewards()->set_end(1);
  }
  return response;
}

absl::StatusCode CodeOf(const std::string& bytes, int items) {
  return ParseAnswer(bytes, items, 4 * items).status().code();
}

TEST(AnswerWireTest, HonestAnswersPassUnchanged) {
  const v1::ScoreResponse sent = Honest(100);
  const auto parsed = ParseAnswer(sent.SerializeAsString(), 100, 400);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->results_size(), 100);
  EXPECT_EQ(parsed->results(99).components().at("part"), 0.5);
}

TEST(AnswerWireTest, ManyEmptyResultsAreRefusedBeforeTheyAreObjects) {
  std::string bytes;
  while (bytes.size() < (4 << 20)) bytes += std::string("\x12\x00", 2);
  EXPECT_EQ(CodeOf(bytes, 64), absl::StatusCode::kDataLoss);
}

TEST(AnswerWireTest, ManyEmptyPartsOfOneResultAreRefused) {
  v1::ScoreResponse response = Honest(1);
  for (int i = 0; i < 100'000; ++i)
    response.mutable_results(0)->add_token_rewards();
  EXPECT_EQ(CodeOf(response.SerializeAsString(), 1),
            absl::StatusCode::kDataLoss);
}

TEST(AnswerWireTest, CutAnswersAreRefused) {
  const std::string bytes = Honest(3).SerializeAsString();
  int refused = 0;
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    const auto parsed = ParseAnswer(bytes.substr(0, cut), 3, 12);
    if (!parsed.ok()) ++refused;
    // A cut between two fields is a message; validation tells what it lacks.
    EXPECT_LT(parsed.value_or(v1::ScoreResponse()).results_size(), 3);
  }
  EXPECT_GT(refused, static_cast<int>(bytes.size()) / 2);
}

TEST(AnswerWireTest, RandomBytesNeverCrash) {
  std::mt19937 random(1);
  const std::string honest = Honest(3).SerializeAsString();
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = honest;
    for (int flips = 0; flips < 3; ++flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    (void)ParseAnswer(bytes, 3, 12);
  }
}

}  // namespace
}  // namespace operant
