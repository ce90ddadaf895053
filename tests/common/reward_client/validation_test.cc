#include "common/reward_client/validation.h"

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "common/base/exit_code.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kTokens = 10;

v1::ScoreRequest Request() {
  v1::ScoreRequest request;
  request.set_request_id("r1");
  request.add_items()->set_id("a");
  request.add_items()->set_id("b");
  request.add_items()->set_id("c");
  return request;
}

v1::ScoreResponse Response() {
  v1::ScoreResponse response;
  response.set_request_id("r1");
  for (const char* id : {"c", "a", "b"}) {
    v1::ScoreResult& result = *response.add_results();
    result.set_id(id);
    result.set_score(id[0] - 'a');  // a: 0, b: 1, c: 2
  }
  return response;
}

v1::GetInfoResponse Info() {
  v1::GetInfoResponse info;
  info.set_api_level(1);
  info.add_component_names("style");
  info.set_token_rewards(true);
  info.set_has_score_range(true);
  info.set_score_min(-1);
  info.set_score_max(2);
  return info;
}

std::vector<ItemAnswer> Validate(const v1::ScoreResponse& response,
                                 const v1::GetInfoResponse& info = Info()) {
  return ValidateResponse(Request(), response,
                          {info, 1e6, {kTokens, kTokens, kTokens}});
}

TEST(ValidationTest, AnswersAreJoinedByIdWhateverTheirOrder) {
  const std::vector<ItemAnswer> answers = Validate(Response());
  ASSERT_EQ(answers.size(), 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(answers[i].outcome, AnswerOutcome::kOk) << answers[i].status;
    EXPECT_EQ(answers[i].score, i);
  }
}

struct Shape {
  const char* name;
  AnswerOutcome outcome;
  std::function<void(v1::ScoreResponse&)> spoil;
};

void PrintTo(const Shape& shape, std::ostream* out) { *out << shape.name; }

class ShapeTest : public testing::TestWithParam<Shape> {
 protected:
  v1::ScoreResponse Spoiled() const {
    v1::ScoreResponse response = Response();
    GetParam().spoil(response);
    return response;
  }
};

class BadBatchTest : public ShapeTest {};

TEST_P(BadBatchTest, CondemnsEveryItem) {
  for (const ItemAnswer& answer : Validate(Spoiled())) {
    EXPECT_EQ(answer.outcome, GetParam().outcome);
    EXPECT_EQ(answer.status.code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(ExitCodeFor(answer.status), ExitCode::kData);
    EXPECT_FALSE(answer.retryable);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, BadBatchTest,
    testing::Values(
        Shape{"other request", AnswerOutcome::kBadId,
              [](v1::ScoreResponse& r) { r.set_request_id("r2"); }},
        Shape{"no request id", AnswerOutcome::kBadId,
              [](v1::ScoreResponse& r) { r.clear_request_id(); }},
        Shape{"no results", AnswerOutcome::kBadId,
              [](v1::ScoreResponse& r) { r.clear_results(); }},
        Shape{"one missing", AnswerOutcome::kBadId,
              [](v1::ScoreResponse& r) { r.mutable_results()->RemoveLast(); }},
        Shape{"one too many", AnswerOutcome::kBadId,
              [](v1::ScoreResponse& r) { r.add_results()->set_id("d"); }},
        Shape{"foreign for own", AnswerOutcome::kBadId,
              [](v1::ScoreResponse& r) { r.mutable_results(0)->set_id("d"); }},
        Shape{"twice", AnswerOutcome::kBadId,
              [](v1::ScoreResponse& r) { *r.add_results() = r.results(0); }},
        Shape{"twice for another", AnswerOutcome::kBadId,
              [](v1::ScoreResponse& r) {
                r.mutable_results(0)->set_id(r.results(1).id());
              }},
        Shape{"empty id", AnswerOutcome::kBadId,
              [](v1::ScoreResponse& r) { r.mutable_results(0)->clear_id(); }}));

class BadItemTest : public ShapeTest {};

// The spoiled result is the first: item "c", the request's last.
TEST_P(BadItemTest, CondemnsThatItemAlone) {
  const std::vector<ItemAnswer> answers = Validate(Spoiled());
  EXPECT_TRUE(answers[0].status.ok());
  EXPECT_TRUE(answers[1].status.ok());
  EXPECT_EQ(answers[2].outcome, GetParam().outcome);
  EXPECT_EQ(answers[2].status.code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(answers[2].retryable);
  EXPECT_EQ(answers[2].score, 0);
}

auto SetScore(double score) {
  return
      [score](v1::ScoreResponse& r) { r.mutable_results(0)->set_score(score); };
}

auto AddTokenReward(uint32_t begin, uint32_t end, float value) {
  return [begin, end, value](v1::ScoreResponse& r) {
    v1::TokenReward& reward = *r.mutable_results(0)->add_token_rewards();
    reward.set_begin(begin);
    reward.set_end(end);
    reward.set_value(value);
  };
}

auto AddComponent(const std::string& name, double value) {
  return [name, value](v1::ScoreResponse& r) {
    (*r.mutable_results(0)->mutable_components())[name] = value;
  };
}

INSTANTIATE_TEST_SUITE_P(
    Scores, BadItemTest,
    testing::Values(
        Shape{"nan", AnswerOutcome::kNonFinite, SetScore(kNan)},
        Shape{"infinity", AnswerOutcome::kNonFinite, SetScore(kInfinity)},
        Shape{"-infinity", AnswerOutcome::kNonFinite, SetScore(-kInfinity)},
        Shape{"huge", AnswerOutcome::kOutOfRange, SetScore(1e308)},
        Shape{"above", AnswerOutcome::kOutOfRange, SetScore(2.001)},
        Shape{"below", AnswerOutcome::kOutOfRange, SetScore(-1.001)}));

INSTANTIATE_TEST_SUITE_P(
    Parts, BadItemTest,
    testing::Values(Shape{"no outcome", AnswerOutcome::kMalformed,
                          [](v1::ScoreResponse& r) {
                            r.mutable_results(0)->clear_outcome();
                          }},
                    Shape{"ignored and scored", AnswerOutcome::kMalformed,
                          [](v1::ScoreResponse& r) {
                            r.mutable_results(0)->set_ignore(true);
                          }},
                    Shape{"error without code", AnswerOutcome::kMalformed,
                          [](v1::ScoreResponse& r) {
                            r.mutable_results(0)->mutable_error();
                          }},
                    Shape{"error with no known code", AnswerOutcome::kMalformed,
                          [](v1::ScoreResponse& r) {
                            r.mutable_results(0)->mutable_error()->set_code(17);
                          }},
                    Shape{"undeclared component", AnswerOutcome::kMalformed,
                          AddComponent("taste", 1)},
                    Shape{"component nan", AnswerOutcome::kMalformed,
                          AddComponent("style", kNan)},
                    Shape{"token span past the end", AnswerOutcome::kMalformed,
                          AddTokenReward(0, kTokens + 1, 1)},
                    Shape{"empty token span", AnswerOutcome::kMalformed,
                          AddTokenReward(3, 3, 1)},
                    Shape{"token reward nan", AnswerOutcome::kMalformed,
                          AddTokenReward(0, 1, NAN)},
                    Shape{"token reward huge", AnswerOutcome::kMalformed,
                          AddTokenReward(0, 1, 1e30f)}));

TEST(ValidationTest, NumbersAtTheEdgesAreFine) {
  for (double score : {-0.0, 5e-324, -1.0, 2.0}) {
    v1::ScoreResponse response = Response();
    response.mutable_results(0)->set_score(score);
    EXPECT_TRUE(Validate(response)[2].status.ok()) << score;
  }
}

TEST(ValidationTest, PartsOfAGoodResultArrive) {
  v1::ScoreResponse response = Response();
  AddComponent("style", 0.25)(response);
  AddTokenReward(0, kTokens, 0.5f)(response);
  const ItemAnswer answer = Validate(response)[2];
  EXPECT_TRUE(answer.status.ok()) << answer.status;
  EXPECT_EQ(answer.components.at("style"), 0.25);
  ASSERT_EQ(answer.token_rewards.size(), 1);
  EXPECT_EQ(answer.token_rewards[0].end(), kTokens);
}

TEST(ValidationTest, UndeclaredTokenRewardsAreRefused) {
  v1::GetInfoResponse info = Info();
  info.set_token_rewards(false);
  v1::ScoreResponse response = Response();
  AddTokenReward(0, 1, 0.5f)(response);
  EXPECT_EQ(Validate(response, info)[2].outcome, AnswerOutcome::kMalformed);
}

TEST(ValidationTest, IgnoreIsNeitherScoreNorError) {
  v1::ScoreResponse response = Response();
  response.mutable_results(0)->clear_outcome();
  response.mutable_results(0)->set_ignore(true);
  const ItemAnswer answer = Validate(response)[2];
  EXPECT_EQ(answer.outcome, AnswerOutcome::kIgnored);
  EXPECT_TRUE(answer.status.ok());
}

TEST(ValidationTest, ServersErrorKeepsItsCodeAndLosesControlCharacters) {
  v1::ScoreResponse response = Response();
  v1::ItemError& error = *response.mutable_results(0)->mutable_error();
  error.set_code(static_cast<uint32_t>(absl::StatusCode::kUnavailable));
  error.set_message("\x1b[2Jdown\n");
  error.set_retryable(true);
  const ItemAnswer answer = Validate(response)[2];
  EXPECT_EQ(answer.outcome, AnswerOutcome::kItemError);
  EXPECT_EQ(answer.status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ExitCodeFor(answer.status), ExitCode::kRewardUnavailable);
  EXPECT_TRUE(answer.retryable);
  EXPECT_EQ(answer.status.message().find('\x1b'), std::string::npos);
  EXPECT_EQ(answer.status.message().find('\n'), std::string::npos);
}

}  // namespace
}  // namespace operant
