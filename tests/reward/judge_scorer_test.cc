#include "reward/judge_scorer.h"

#include <atomic>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/file_io.h"
#include "gtest/gtest.h"
#include "httplib.h"
#include "reward/pairwise_scorer.h"
#include "tests/testing/score_one.h"

namespace operant::reward {
namespace {

// A chat endpoint that replies what `reply` makes of the question.
class FakeJudge {
 public:
  using Reply = std::function<std::string(const std::string&)>;

  explicit FakeJudge(Reply reply) : reply_(std::move(reply)) {
    server_.Post("/v1/chat/completions", [this](const httplib::Request& request,
                                                httplib::Response& response) {
      ++asked;
      const auto body = nlohmann::json::parse(request.body);
      model = body["model"];
      key = request.get_header_value("Authorization");
      if (status != 200) {
        response.status = status;
        return;
      }
      const std::string said = reply_(body["messages"][0]["content"]);
      response.set_content(
          nlohmann::json{{"choices", {{{"message", {{"content", said}}}}}}}
              .dump(),
          "application/json");
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) absl::SleepFor(absl::Milliseconds(1));
  }
  ~FakeJudge() {
    server_.stop();
    thread_.join();
  }

  v1::Judge Config() const {
    v1::Judge judge;
    judge.set_url(absl::StrCat("http://127.0.0.1:", port_, "/v1/"));
    judge.set_model("judge-1");
    judge.set_min_score(0);
    judge.set_max_score(10);
    judge.set_requests_per_minute(60'000);
    judge.set_timeout_ms(5000);
    judge.set_max_reply_tokens(64);
    return judge;
  }

  std::atomic<int> asked{0};
  std::atomic<int> status{200};
  std::string model, key;

 private:
  const Reply reply_;
  httplib::Server server_;
  std::thread thread_;
  int port_ = 0;
};

v1::ScoreResult Judge(const v1::Judge& config, const v1::ScoreItem& item) {
  const auto scorer = JudgeScorer::Create(config);
  EXPECT_TRUE(scorer.ok()) << scorer.status();
  return ScoreOne(**scorer, item);
}

TEST(JudgeScorerTest, AsksTheModelAndReadsItsVerdict) {
  const std::string key_file = JoinPath(testing::TempDir(), "judge_key");
  ASSERT_TRUE(WriteFileAtomically(key_file, "secret\n").ok());
  FakeJudge judge([](const std::string& question) {
    EXPECT_TRUE(absl::StrContains(question, "a fine answer"));
    return "I thought of score: 3 first.\nScore: 7.5";
  });
  v1::Judge config = judge.Config();
  config.set_api_key_file(key_file);
  const v1::ScoreResult result = Judge(config, TextItem("a fine answer"));
  ASSERT_TRUE(result.has_score()) << result.error().message();
  EXPECT_EQ(result.score(), 7.5);
  EXPECT_EQ(judge.model, "judge-1");
  EXPECT_EQ(judge.key, "Bearer secret");
}

TEST(JudgeScorerTest, ProseIsAnErrorNotAScore) {
  for (const char* reply : {"A fine response, I would say.", "", "seven",
                            "score: high", "I rate it 7 of 10"}) {
    FakeJudge judge([reply](const std::string&) { return reply; });
    const v1::ScoreResult result = Judge(judge.Config(), TextItem("x"));
    ASSERT_TRUE(result.has_error()) << reply;
    EXPECT_TRUE(absl::StrContains(result.error().message(), "row='prompt-17'"))
        << result.error().message();
    EXPECT_FALSE(result.error().retryable());
  }
}

TEST(JudgeScorerTest, AVerdictOutOfRangeIsAnError) {
  FakeJudge judge([](const std::string&) { return "score: 11"; });
  EXPECT_TRUE(Judge(judge.Config(), TextItem("x")).has_error());
  v1::Judge wider = judge.Config();
  wider.set_max_score(20);
  EXPECT_EQ(Judge(wider, TextItem("x")).score(), 11);
}

TEST(JudgeScorerTest, WhatMayPassIsRetryable) {
  FakeJudge judge([](const std::string&) { return "score: 1"; });
  for (const auto& [status, retryable] : std::map<int, bool>{
           {429, true}, {500, true}, {503, true}, {401, false}, {404, false}}) {
    judge.status = status;
    const v1::ScoreResult result = Judge(judge.Config(), TextItem("x"));
    ASSERT_TRUE(result.has_error()) << status;
    EXPECT_EQ(result.error().retryable(), retryable) << status;
  }
  v1::Judge nobody = judge.Config();
  nobody.set_url("http://127.0.0.1:1/v1");
  EXPECT_TRUE(Judge(nobody, TextItem("x")).error().retryable());
}

TEST(JudgeScorerTest, AJudgeThatSleepsIsGivenUpAtItsTimeout) {
  FakeJudge judge([](const std::string&) {
    absl::SleepFor(absl::Seconds(2));
    return "score: 1";
  });
  v1::Judge config = judge.Config();
  config.set_timeout_ms(300);
  const absl::Time start = absl::Now();
  EXPECT_TRUE(Judge(config, TextItem("x")).error().retryable());
  EXPECT_LT(absl::Now() - start, absl::Milliseconds(1900));
}

TEST(JudgeScorerTest, KeepsItsRate) {
  FakeJudge judge([](const std::string&) { return "score: 1"; });
  v1::Judge config = judge.Config();
  config.set_requests_per_minute(1200);  // one each 50 ms
  const auto scorer = JudgeScorer::Create(config);
  ASSERT_TRUE(scorer.ok());
  Scorer::Items items;
  for (int i = 0; i < 11; ++i) items.Add()->set_id(absl::StrCat(i));
  Scorer::Results results;
  const absl::Time start = absl::Now();
  (*scorer)->Score(
      items, [] { return false; }, results);
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(495));
  EXPECT_EQ(results.size(), 11);
  EXPECT_EQ(judge.asked, 11);
  for (int i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i].id(), absl::StrCat(i));
    EXPECT_EQ(results[i].score(), 1);
  }
}

TEST(JudgeScorerTest, RefusesAUrlThatIsNone) {
  v1::Judge judge;
  judge.set_requests_per_minute(1);
  for (const char* url : {"", "127.0.0.1:8000", "ftp://a/v1", "http:///v1"}) {
    judge.set_url(url);
    EXPECT_EQ(JudgeScorer::Create(judge).status().code(),
              absl::StatusCode::kInvalidArgument)
        << url;
  }
}

Scorer::Results Compare(const v1::Judge& config, int responses) {
  const auto scorer = PairwiseScorer::Create(config);
  EXPECT_TRUE(scorer.ok()) << scorer.status();
  Scorer::Items items;
  for (int i = 0; i < responses; ++i) {
    v1::ScoreItem& item = *items.Add();
    item.set_id(absl::StrCat("id", i));
    item.set_group_id("prompt-17");
    item.set_response(std::string(10 * (i + 1), 'x'));
  }
  Scorer::Results results;
  (*scorer)->Score(
      items, [] { return false; }, results);
  return results;
}

std::string Between(const std::string& text, const std::string& open,
                    const std::string& close) {
  const size_t start = text.find(open) + open.size();
  return text.substr(start, text.find(close) - start);
}

TEST(PairwiseScorerTest, RanksAGroupByItsPreferences) {
  FakeJudge judge([](const std::string& question) {
    const size_t first = Between(question, "<first>", "</first>").size();
    const size_t second = Between(question, "<second>", "</second>").size();
    return first > second ? "verdict: first" : "Verdict: SECOND";
  });
  const Scorer::Results results = Compare(judge.Config(), 4);
  ASSERT_EQ(results.size(), 4);
  double sum = 0;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(results[i].has_score()) << results[i].error().message();
    sum += results[i].score();
    EXPECT_DOUBLE_EQ(results[i].components().at("wins"), i / 3.0);
    if (i > 0) {
      EXPECT_GT(results[i].score(), results[i - 1].score());
    }
  }
  EXPECT_NEAR(sum, 0, 1e-6);
  EXPECT_EQ(judge.asked, 6);
}

TEST(PairwiseScorerTest, OneReplyInProseIsAnErrorOfTheWholeGroup) {
  std::atomic<int> asked{0};
  FakeJudge judge([&asked](const std::string&) {
    return ++asked == 2 ? "the first, I think" : "verdict: tie";
  });
  for (const v1::ScoreResult& result : Compare(judge.Config(), 3)) {
    EXPECT_TRUE(result.has_error());
  }
}

TEST(PairwiseScorerTest, AGroupOfOneIsAnError) {
  FakeJudge judge([](const std::string&) { return "verdict: tie"; });
  const Scorer::Results results = Compare(judge.Config(), 1);
  ASSERT_EQ(results.size(), 1);
  EXPECT_TRUE(absl::StrContains(results[0].error().message(),
                                "learner.samples_per_prompt"));
}

TEST(BradleyTerryTest, TwoPlayersByHand) {
  // One meeting won and one tied: 1.5 of 2, so the odds are 3.
  const std::vector<double> s = BradleyTerryScores(2, {{0, 1, 1}});
  EXPECT_NEAR(s[0] - s[1], std::log(3.0), 1e-8);
  EXPECT_NEAR(s[0] + s[1], 0, 1e-12);
}

TEST(BradleyTerryTest, TiesAreEqualAndStrangersStayAtZero) {
  for (const double s :
       BradleyTerryScores(3, {{0, 1, 0.5}, {1, 2, 0.5}, {2, 0, 0.5}})) {
    EXPECT_NEAR(s, 0, 1e-9);
  }
  EXPECT_EQ(BradleyTerryScores(1, {}), std::vector<double>{0});
}

TEST(BradleyTerryTest, TheLikelihoodIsAtItsMaximum) {
  // At the maximum each player's expected wins are the wins that it has.
  const std::vector<Comparison> met = {{0, 1, 1}, {0, 1, 1}, {1, 2, 1},
                                       {2, 0, 1}, {0, 2, 1}, {3, 0, 0.5}};
  const std::vector<double> s = BradleyTerryScores(4, met);
  std::vector<Comparison> all = met;
  for (const auto& [i, j] :
       std::vector<std::pair<int, int>>{{0, 1}, {1, 2}, {0, 2}, {0, 3}}) {
    all.push_back({i, j, 0.5});
  }
  std::vector<double> excess(4, 0);
  for (const Comparison& c : all) {
    const double p = 1 / (1 + std::exp(s[c.second] - s[c.first]));
    excess[c.first] += c.share - p;
    excess[c.second] -= c.share - p;
  }
  for (const double e : excess) EXPECT_NEAR(e, 0, 1e-6);
}

}  // namespace
}  // namespace operant::reward
