// Collectives between real processes on this machine.
#include "learner/collective.h"

#include <signal.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/file_io.h"
#include "common/run/child_process.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace operant::learner {
namespace {

using nlohmann::json;
using ::testing::Each;
using ::testing::HasSubstr;

// Starts of LibTorch on a loaded machine are most of it.
constexpr absl::Duration kPatience = absl::Seconds(90);
// CollectiveOptions::timeout of collective_rank.cc.
constexpr double kTimeoutSeconds = 2;

// `size` processes that play one scenario; what each of them wrote down.
class Ranks {
 public:
  Ranks(const std::string& scenario, int size, int started = -1)
      : folder_(absl::StrCat(testing::TempDir(), "/ranks_",
                             absl::ToUnixNanos(absl::Now()))) {
    EXPECT_TRUE(MakeDirectories(folder_).ok());
    for (int rank = 0; rank < (started < 0 ? size : started); ++rank) {
      auto child = ChildProcess::Start(
          {.role = absl::StrCat("rank-", rank),
           .args = {COLLECTIVE_RANK, folder_, scenario, absl::StrCat(rank),
                    absl::StrCat(size)},
           .environment = {"OMP_NUM_THREADS=1"},
           .log_path = JoinPath(folder_, absl::StrCat(rank, ".log"))});
      EXPECT_TRUE(child.ok()) << child.status();
      children_.push_back(*std::move(child));
    }
  }
  ~Ranks() {
    children_.clear();  // kills them
    RemoveTree(folder_).IgnoreError();
  }

  // Waits for `rank` to end well and returns what it wrote.
  json Said(int rank) {
    const absl::Time deadline = absl::Now() + kPatience;
    std::optional<ProcessExit> exit;
    while (!(exit = children_[rank]->TryReap()).has_value()) {
      if (absl::Now() > deadline) {
        ADD_FAILURE() << "rank " << rank << " did not end";
        return {};
      }
      absl::SleepFor(absl::Milliseconds(10));
    }
    EXPECT_EQ(exit->exit_code, 0) << Log(rank);
    return Written(rank);
  }

  json Written(int rank) const {
    const auto text = ReadFile(JoinPath(folder_, absl::StrCat(rank, ".json")));
    if (!text.ok()) {
      ADD_FAILURE() << "rank " << rank << " wrote nothing: " << Log(rank);
      return {};
    }
    return json::parse(*text);
  }

  void Kill(int rank) { children_[rank]->Signal(SIGKILL); }

 private:
  std::string Log(int rank) const {
    return ReadFile(JoinPath(folder_, absl::StrCat(rank, ".log")))
        .value_or("no log");
  }

  const std::string folder_;
  std::vector<std::unique_ptr<ChildProcess>> children_;
};

class CollectiveTest : public testing::TestWithParam<int> {
 protected:
  int size() const { return GetParam(); }

  // What every rank said, none of them with an error.
  std::vector<json> Play(const std::string& scenario) {
    Ranks ranks(scenario, size());
    std::vector<json> said;
    for (int rank = 0; rank < size(); ++rank) {
      said.push_back(ranks.Said(rank));
      EXPECT_EQ(said.back()["status"], "OK") << rank;
    }
    return said;
  }
};

INSTANTIATE_TEST_SUITE_P(Gloo, CollectiveTest, testing::Values(2, 4),
                         testing::PrintToStringParamName());

TEST_P(CollectiveTest, SumsAreRightAndTheSameBitsOnAllRanksAndInEveryRun) {
  const std::vector<json> first = Play("sums");
  for (const json& said : first) {
    // Numbers near 10, four roundings of 2^-24.
    EXPECT_LT(said["error"], 1e-5);
    EXPECT_EQ(said["digest"], first[0]["digest"]);
    EXPECT_EQ(said["tiny"], size() * (size() + 1) / 2);
    EXPECT_EQ(said["largest"], size() - 1);
    EXPECT_EQ(said["nans"], 1);
  }
  EXPECT_EQ(Play("sums")[0]["digest"], first[0]["digest"]);
}

TEST_P(CollectiveTest, PartsOfASumAndOfAGatheringAreWhereTheyBelong) {
  for (const json& said : Play("parts")) {
    EXPECT_LT(said["error"], 1e-5);
    EXPECT_EQ(said["gathered"].size(), size());
    EXPECT_THAT(said["gathered"].get<std::vector<int64_t>>(), Each(1'000));
    EXPECT_EQ(said["same"], true);
  }
}

TEST_P(CollectiveTest, ABroadcastBringsTheRootsBytesToAllFromAnyRoot) {
  const std::vector<json> said = Play("broadcast");
  for (int root = 0; root < size(); ++root) {
    for (const json& rank : said)
      EXPECT_EQ(rank["digests"][root], said[root]["own"]);
  }
}

TEST_P(CollectiveTest, ExchangesRunInOrderBesideTheCallersWork) {
  for (const json& said : Play("async")) {
    ASSERT_EQ(said["sums"].size(), 10u);
    for (int k = 0; k < 10; ++k) {
      // Of i = 9 - k: the sum over r of i + r.
      EXPECT_EQ(said["sums"][k],
                size() * (9 - k) + size() * (size() - 1) / 2.0);
    }
    EXPECT_EQ(said["exchanges"], 10);
    EXPECT_EQ(said["ordered"], true);
  }
}

// 2 S (n-1)/n for the all-reduce and half of that for either half of it, by
// the kernel's own count of the sockets.
TEST_P(CollectiveTest, SendsWhatTheFormulaSaysWithinTwoPercent) {
  for (const json& said : Play("bytes")) {
    const double share = said["tensor"].get<double>() * (size() - 1) / size();
    EXPECT_NEAR(said["all_reduce"].get<double>() / (2 * share), 1, 0.02);
    EXPECT_NEAR(said["reduce_scatter"].get<double>() / share, 1, 0.02);
    EXPECT_NEAR(said["all_gather"].get<double>() / share, 1, 0.02);
    EXPECT_EQ(said["counted"][0], 2 * share);
    EXPECT_EQ(said["counted"][1], share);
    EXPECT_EQ(said["counted"][2], share);
  }
}

TEST_P(CollectiveTest, AKilledPeerIsNoticedWithinASecondByAll) {
  Ranks ranks("killed", size());
  for (int rank = 0; rank + 1 < size(); ++rank) {
    const json said = ranks.Said(rank);
    EXPECT_LT(said["waited"], 0.3 + 1) << rank;
    const auto failures = said["failures"].get<std::vector<std::string>>();
    ASSERT_EQ(failures.size(), 3u);
    EXPECT_THAT(failures, Each(failures[0])) << "the first cause stays";
    EXPECT_THAT(failures[0], HasSubstr("ABORTED"));
    EXPECT_THAT(failures[0], HasSubstr(absl::StrCat(
                                 "rank ", rank, " of ", size(),
                                 ", all-reduce 2 (second, 4000 bytes): ")));
    EXPECT_THAT(failures[0], HasSubstr("the connection is closed"));
  }
}

TEST_P(CollectiveTest, AStoppedPeerIsNoticedByTheDeadline) {
  Ranks ranks("stopped", size());
  for (int rank = 0; rank + 1 < size(); ++rank) {
    const json said = ranks.Said(rank);
    EXPECT_LT(said["waited"], 0.3 + kTimeoutSeconds + 1) << rank;
    const auto failures = said["failures"].get<std::vector<std::string>>();
    ASSERT_EQ(failures.size(), 3u);
    EXPECT_THAT(failures, Each(failures[0]));
  }
  ranks.Kill(size() - 1);
}

TEST_P(CollectiveTest, AbortEndsAWaitOfAnotherThreadAtOnce) {
  const std::vector<json> said = Play("abort");
  EXPECT_LT(said[0]["waited"], 0.3 + 0.5);
  for (const json& rank : said) {
    EXPECT_THAT(rank["failures"].get<std::vector<std::string>>(),
                Each(HasSubstr("rank 9 is gone")));
  }
}

TEST_P(CollectiveTest, RanksThatAreNotThereAreMissedByTheDeadline) {
  Ranks ranks("late", size(), /*started=*/size() - 1);
  for (int rank = 0; rank + 1 < size(); ++rank) {
    const json said = ranks.Said(rank);
    EXPECT_THAT(said["status"], HasSubstr("DEADLINE_EXCEEDED"));
    EXPECT_THAT(said["status"],
                HasSubstr(absl::StrCat("rank ", rank, " of ", size(),
                                       " met not all others within 2s: rank ",
                                       size() - 1, " did not come")));
    EXPECT_LT(said["seconds"], kTimeoutSeconds + 1);
  }
}

TEST_P(CollectiveTest, ATensorThatCannotBePartedFailsOnEveryRank) {
  for (const json& said : Play("misuse")) {
    EXPECT_THAT(said["failures"][0],
                HasSubstr(absl::StrCat("not a multiple of ", size())));
  }
}

TEST(NoCollectiveTest, OneRankExchangesWithNobody) {
  const auto made = CreateCollective("auto", /*on_gpu=*/false, {});
  ASSERT_TRUE(made.ok()) << made.status();
  Collective& one = **made;
  EXPECT_EQ(one.size(), 1);
  EXPECT_TRUE(one.Barrier("alone").ok());
  EXPECT_EQ(one.sent().total(), 0);
  one.Abort(absl::AbortedError("enough"));
  EXPECT_EQ(one.Barrier("alone").code(), absl::StatusCode::kAborted);
}

TEST(CollectiveNameTest, AutoIsNoneForOneRankElseByTheDevice) {
  EXPECT_EQ(CollectiveName("auto", /*on_gpu=*/true, 1), "none");
  EXPECT_EQ(CollectiveName("auto", /*on_gpu=*/false, 2), "gloo");
  EXPECT_EQ(CollectiveName("auto", /*on_gpu=*/true, 2), "nccl");
  EXPECT_EQ(CollectiveName("gloo", /*on_gpu=*/false, 1), "gloo");
}

TEST(CollectiveNameTest, ANameThatDoesNotFitIsRefusedWithTheKey) {
  for (const auto& [name, size] : {std::pair("none", 2), {"nccl", 2}}) {
    const auto made = CreateCollective(name, /*on_gpu=*/false, {.size = size});
    EXPECT_EQ(made.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(made.status().message()),
                HasSubstr("learner.collective"));
  }
  EXPECT_FALSE(CheckCollective("gloo", /*on_gpu=*/true, 2).ok());
  EXPECT_TRUE(CheckCollective("nccl", /*on_gpu=*/true, 2).ok());
  EXPECT_TRUE(CheckCollective("gloo", /*on_gpu=*/false, 1).ok());
}

}  // namespace
}  // namespace operant::learner
