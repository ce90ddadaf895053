#include "common/reward_client/conformance.h"

#include <algorithm>
#include <fstream>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/base/exit_code.h"
#include "gtest/gtest.h"
#include "tests/testing/scripted_reward_server.h"

namespace operant {
namespace {

using testing::ScriptedRewardServer;
using Verdict = ConformanceCheck::Verdict;

ConformanceReport CheckServer(const ScriptedRewardServer& server) {
  ConformanceOptions options;
  options.address = server.address();
  options.load_time = absl::Milliseconds(20);
  const auto report = CheckConformance(options);
  EXPECT_TRUE(report.ok()) << report.status();
  return report.value_or(ConformanceReport());
}

// The names of the checks that failed.
std::vector<std::string> Failed(const ScriptedRewardServer& server) {
  std::vector<std::string> names;
  for (const ConformanceCheck& check : CheckServer(server).checks) {
    if (check.verdict != Verdict::kFail) continue;
    EXPECT_NE(check.detail, "");
    names.push_back(check.name);
  }
  return names;
}

TEST(ConformanceTest, AnHonestServerPassesAndIsMeasured) {
  ScriptedRewardServer server;
  server.info().set_deterministic(true);
  server.info().set_max_batch_items(64);
  const ConformanceReport report = CheckServer(server);
  EXPECT_TRUE(report.passed());
  for (const ConformanceCheck& check : report.checks) {
    EXPECT_EQ(check.verdict, Verdict::kPass) << check.name << check.detail;
  }
  ASSERT_EQ(report.load.size(), 3);  // 1, 8, 64
  EXPECT_GT(report.load[0].items_per_second, 0);
}

TEST(ConformanceTest, ChangedIdsAreFound) {
  ScriptedRewardServer server(
      [](int, const v1::ScoreRequest&, v1::ScoreResponse& response) {
        for (v1::ScoreResult& result : *response.mutable_results()) {
          std::string id = result.id();
          id.erase(std::remove(id.begin(), id.end(), ' '), id.end());
          result.set_id(id);
        }
        return grpc::Status::OK;
      });
  EXPECT_EQ(Failed(server),
            std::vector<std::string>{"ids come back unchanged"});
}

TEST(ConformanceTest, ACrashOnHaywireTextIsFound) {
  ScriptedRewardServer server(
      [](int, const v1::ScoreRequest& request, v1::ScoreResponse&) {
        const bool empty =
            request.items_size() > 0 && request.items(0).response().empty();
        return empty ? grpc::Status(grpc::StatusCode::INTERNAL, "IndexError")
                     : grpc::Status::OK;
      });
  EXPECT_EQ(Failed(server),
            std::vector<std::string>{"haywire responses are answered"});
}

TEST(ConformanceTest, AFalsePromiseOfDeterminismIsFound) {
  ScriptedRewardServer server(
      [](int call, const v1::ScoreRequest&, v1::ScoreResponse& response) {
        for (v1::ScoreResult& result : *response.mutable_results()) {
          result.set_score(call);
        }
        return grpc::Status::OK;
      });
  server.info().set_deterministic(true);
  EXPECT_EQ(Failed(server).size(), 3);
}

TEST(ConformanceTest, NaNIsFound) {
  ScriptedRewardServer server(
      [](int, const v1::ScoreRequest&, v1::ScoreResponse& response) {
        for (v1::ScoreResult& result : *response.mutable_results()) {
          result.set_score(std::numeric_limits<double>::quiet_NaN());
        }
        return grpc::Status::OK;
      });
  EXPECT_FALSE(CheckServer(server).passed());
}

TEST(ConformanceTest, NobodyThereIsAnError) {
  std::string address;
  {
    const ScriptedRewardServer gone;
    address = gone.address();
  }
  ConformanceOptions options;
  options.address = address;
  const absl::Status status = CheckConformance(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ExitCodeFor(status), ExitCode::kRewardUnavailable);
}

TEST(ConformanceTest, RowsAreReadAndFaultsNamed) {
  const std::string path =
      absl::StrCat(::testing::TempDir(), "/conformance_rows.jsonl");
  std::ofstream(path) << R"({"prompt": "a", "response": "b",
)"
                      << "\n";
  EXPECT_EQ(ReadScoreItems(path).status().code(), absl::StatusCode::kDataLoss);
  std::ofstream(path)
      << R"({"prompt": "a", "response": "b", "metadata": {"k": 1}})"
      << "\n";
  const auto items = ReadScoreItems(path);
  ASSERT_TRUE(items.ok()) << items.status();
  ASSERT_EQ(items->size(), 1);
  EXPECT_EQ((*items)[0].response(), "b");
  EXPECT_EQ(ReadScoreItems("/does/not/exist").status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace operant
