#include "common/base/log.h"

#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace operant {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

template <typename F>
std::string Logged(const LogOptions& options, F log) {
  testing::internal::CaptureStderr();
  InitLogging(options);
  log();
  return testing::internal::GetCapturedStderr();
}

LogOptions Text() { return {.role = "rollout", .rank = 3}; }
LogOptions Json() {
  return {.role = "rollout", .rank = 3, .format = LogFormat::kJson};
}

TEST(LogTest, TextLineHasTimeLevelRoleEventAndFields) {
  const std::string line = Logged(Text(), [] {
    LogInfo("weights active", {{"version", 7}, {"pause_us", 1.5}});
  });
  EXPECT_THAT(line, MatchesRegex("[0-9:.]+ I rollout/3 weights active "
                                 "version=7 pause_us=1.5\n"));
}

TEST(LogTest, TextValuesThatAreNoWordAreQuoted) {
  const std::string line = Logged(Text(), [] {
    LogInfo("e", {{"a", "two words"}, {"b", ""}, {"c", "x=y"}, {"d", "z"}});
  });
  EXPECT_THAT(line, EndsWith("e a=\"two words\" b=\"\" c=\"x=y\" d=z\n"));
}

TEST(LogTest, ControlCharactersNeverReachTheTerminal) {
  const std::string line = Logged(Text(), [] {
    LogWarning("evil\x1b[2J\nnext", {{"v", std::string("a\x1b\n\0b", 5)}});
  });
  EXPECT_THAT(line, HasSubstr("evil\\u001b[2J\\nnext"));
  EXPECT_EQ(line.find('\x1b'), std::string::npos);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST(LogTest, JsonLineParsesWithTypedFields) {
  const auto json = nlohmann::json::parse(Logged(Json(), [] {
    LogError("push failed", {{"chunk", uint64_t{17}},
                             {"ok", false},
                             {"ratio", 0.1},
                             {"why", "say \"no\"\xff"}});
  }));
  EXPECT_THAT(json["ts"].get<std::string>(),
              MatchesRegex("....-..-..T..:..:..[.]...Z"));
  EXPECT_EQ(json["level"], "error");
  EXPECT_EQ(json["role"], "rollout");
  EXPECT_EQ(json["rank"], 3);
  EXPECT_EQ(json["event"], "push failed");
  EXPECT_EQ(json["chunk"], 17);
  EXPECT_EQ(json["ok"], false);
  EXPECT_EQ(json["ratio"], 0.1);
  EXPECT_EQ(json["why"], "say \"no\"\xEF\xBF\xBD");
}

TEST(LogTest, NonFiniteNumbersStayValidJson) {
  const auto json = nlohmann::json::parse(Logged(Json(), [] {
    using Limits = std::numeric_limits<double>;
    LogInfo("e", {{"a", Limits::quiet_NaN()}, {"b", -Limits::infinity()}});
  }));
  EXPECT_EQ(json["a"], "nan");
  EXPECT_EQ(json["b"], "-inf");
}

TEST(LogTest, NegativeNanStaysValidJson) {
  const auto json = nlohmann::json::parse(Logged(Json(), [] {
    LogInfo("e", {{"a", -std::numeric_limits<double>::quiet_NaN()}});
  }));
  EXPECT_TRUE(json["a"].is_string());
}

TEST(LogTest, LinesBelowTheLevelAreDropped) {
  LogOptions options = Text();
  options.level = LogLevel::kWarning;
  const std::string lines = Logged(options, [] {
    LogInfo("quiet");
    LogWarning("loud");
  });
  EXPECT_EQ(lines.find("quiet"), std::string::npos);
  EXPECT_THAT(lines, HasSubstr("W rollout/3 loud"));
}

TEST(LogTest, LinesOfManyThreadsAreNotMixed) {
  const std::string lines = Logged(Text(), [] {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([] {
        for (int i = 0; i < 100; ++i) LogInfo("tick", {{"v", "abcdef"}});
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  int count = 0;
  for (const auto line : absl::StrSplit(lines, '\n', absl::SkipEmpty())) {
    EXPECT_THAT(std::string(line), EndsWith("I rollout/3 tick v=abcdef"));
    ++count;
  }
  EXPECT_EQ(count, 400);
}

}  // namespace
}  // namespace operant
