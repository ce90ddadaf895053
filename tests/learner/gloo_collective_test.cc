// Gloo between threads of this process; collective_test.cc has processes.
#include <torch/torch.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/base/monotonic_clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "learner/collective.h"
#include "tests/testing/memory_rendezvous.h"

namespace operant::learner {
namespace {

using ::testing::HasSubstr;
using Made = absl::StatusOr<std::unique_ptr<Collective>>;

// Far beyond what a loaded machine needs.
constexpr absl::Duration kPatience = absl::Seconds(60);

double SecondsSince(absl::Time start) {
  return absl::ToDoubleSeconds(MonotonicNow() - start);
}

// One thread each, joined before this returns.
void OnThreads(int n, const std::function<void(int)>& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < n; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

CollectiveOptions Options(int rank, int size, Rendezvous& rendezvous) {
  return {.rank = rank,
          .size = size,
          .timeout = kPatience,
          .rendezvous = &rendezvous,
          .rendezvous_timeout = kPatience,
          .group = "group"};
}

// Runs `body` on each rank of a group that met.
void PlayWith(int size, absl::Duration timeout,
              const std::function<void(Collective&)>& body) {
  testing_support::MemoryRendezvous rendezvous;
  OnThreads(size, [&](int rank) {
    CollectiveOptions options = Options(rank, size, rendezvous);
    options.timeout = timeout;
    const Made made = CreateGlooCollective(options);
    ASSERT_TRUE(made.ok()) << made.status();
    body(**made);
  });
}

class GlooCollectiveTest : public testing::TestWithParam<int> {
 protected:
  int size() const { return GetParam(); }
  void Play(const std::function<void(Collective&)>& body) {
    PlayWith(size(), kPatience, body);
  }
};

INSTANTIATE_TEST_SUITE_P(Ranks, GlooCollectiveTest, testing::Values(1, 2, 4),
                         testing::PrintToStringParamName());

at::Tensor Contribution(int rank, int64_t elements) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(7 + rank);
  return at::randn({elements}, generator, at::kFloat) * (1 + rank);
}

TEST_P(GlooCollectiveTest, SumsAnyNumberOfElementsToTheSameBitsEverywhere) {
  for (const int64_t elements : {0, 1, 3, 10'007}) {
    std::vector<at::Tensor> first(size()), second(size());
    for (auto* run : {&first, &second}) {
      Play([&](Collective& ranks) {
        at::Tensor data = Contribution(ranks.rank(), elements);
        const absl::Status status =
            ranks.AllReduce(data, Reduction::kSum, "data")->Wait();
        EXPECT_TRUE(status.ok()) << status;
        (*run)[ranks.rank()] = data;
      });
    }
    at::Tensor truth = at::zeros({elements}, at::kDouble);
    for (int rank = 0; rank < size(); ++rank)
      truth += Contribution(rank, elements).to(at::kDouble);
    // Numbers near 10, four roundings of 2^-24.
    EXPECT_TRUE(at::allclose(first[0].to(at::kDouble), truth, 0, 1e-5));
    for (int rank = 0; rank < size(); ++rank) {
      EXPECT_TRUE(at::equal(first[rank], first[0])) << rank;
      EXPECT_TRUE(at::equal(first[rank], second[rank])) << rank;
    }
  }
}

TEST_P(GlooCollectiveTest, CountsTheBytesOfTheFormulas) {
  Play([&](Collective& ranks) {
    const int64_t n = size();
    at::Tensor data = at::ones({4 * 1'000}, at::kFloat);
    const int64_t share = data.nbytes() * (n - 1) / n;
    ASSERT_TRUE(ranks.AllReduce(data, Reduction::kSum, "a")->Wait().ok());
    ASSERT_TRUE(ranks.ReduceScatter(data, Reduction::kSum, "b")->Wait().ok());
    ASSERT_TRUE(ranks.AllGather(data, "c")->Wait().ok());
    ASSERT_TRUE(ranks.Broadcast(data, /*root=*/0, "d")->Wait().ok());
    ASSERT_TRUE(ranks.Barrier("e").ok());
    const WireBytes sent = ranks.sent();
    EXPECT_EQ(sent.all_reduce, 2 * share);
    EXPECT_EQ(sent.reduce_scatter, share);
    EXPECT_EQ(sent.all_gather, share);
    EXPECT_EQ(sent.broadcast, ranks.rank() == n - 1 ? 0 : data.nbytes());
    EXPECT_EQ(ranks.exchanges(), 5);
  });
}

TEST_P(GlooCollectiveTest, AMaximumKeepsANanOfAnyRank) {
  Play([&](Collective& ranks) {
    at::Tensor data = at::full({size() + 1}, ranks.rank(), at::kFloat);
    data[ranks.rank()] = NAN;
    ASSERT_TRUE(ranks.AllReduce(data, Reduction::kMax, "max")->Wait().ok());
    EXPECT_EQ(at::isnan(data).sum().item<int64_t>(), size());
    EXPECT_EQ(data[size()].item<float>(), size() - 1);
  });
}

// A rank's misuse ends the group, with the same words on all.
TEST_P(GlooCollectiveTest, AMisusedTensorIsRefusedByWhatIsWrongWithIt) {
  const std::vector<std::pair<at::Tensor, std::string>> misuses = {
      {at::ones({4, 4}).t(), "not contiguous"},
      {at::empty({4}, at::device(at::kMeta)), "on meta, expected cpu"},
      {at::ones({4}, at::kHalf), "of type Half, which cannot be reduced"},
      {at::ones({4 * size() + 1}), absl::StrCat("not a multiple of ", size())}};
  for (const auto& [tensor, words] : misuses) {
    if (size() == 1 && tensor.numel() == 5) continue;  // 5 = 5 * 1
    Play([&](Collective& ranks) {
      const absl::Status status =
          ranks.ReduceScatter(tensor, Reduction::kSum, "bad")->Wait();
      EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
      EXPECT_THAT(std::string(status.message()), HasSubstr(words));
      EXPECT_EQ(ranks.status(), status);
      EXPECT_EQ(ranks.Barrier("after"), status) << "the group is dead";
    });
  }
}

TEST(GlooGroupTest, AbortFailsWhatRunsAndWhatIsQueued) {
  PlayWith(2, kPatience, [](Collective& ranks) {
    ASSERT_TRUE(ranks.Barrier("begin").ok());
    if (ranks.rank() == 1) {
      ranks.Abort(absl::AbortedError("lost the lease"));
      EXPECT_THAT(std::string(ranks.status().message()), "lost the lease");
      return;
    }
    at::Tensor data = at::ones({10});
    const auto runs = ranks.AllReduce(data, Reduction::kSum, "runs");
    const auto waits = ranks.AllReduce(data, Reduction::kSum, "waits");
    const absl::Time start = MonotonicNow();
    std::thread aborter([&] {
      absl::SleepFor(absl::Milliseconds(50));
      ranks.Abort(absl::AbortedError("stopped because rank 1"));
    });
    // Its peer leaves or its own Abort comes, whichever is first; not the
    // deadline.
    EXPECT_EQ(runs->Wait().code(), absl::StatusCode::kAborted);
    EXPECT_EQ(waits->Wait(), runs->Wait());
    EXPECT_LT(SecondsSince(start), absl::ToDoubleSeconds(kPatience) / 2);
    aborter.join();
  });
}

TEST(GlooGroupTest, APeerThatNeverCallsIsMissedAtTheDeadlineByName) {
  absl::Notification noticed;
  PlayWith(2, absl::Milliseconds(300), [&](Collective& ranks) {
    if (ranks.rank() == 1) return noticed.WaitForNotification();
    at::Tensor data = at::ones({10});
    const absl::Time start = MonotonicNow();
    const absl::Status status =
        ranks.AllReduce(data, Reduction::kSum, "gradients")->Wait();
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_EQ(std::string(status.message()),
              "rank 0 of 2, all-reduce 1 (gradients, 40 bytes): receiving from "
              "rank 1: silent until the deadline");
    EXPECT_GE(SecondsSince(start), 0.3);
    noticed.Notify();
  });
}

// Of three processes two are rank 1; whoever waits for a peer is told.
TEST(GlooMeetingTest, TwoRanksWithOneNumberAreToldApartAndAllStop) {
  testing_support::MemoryRendezvous rendezvous;
  const int numbers[] = {1, 1, 0};
  std::vector<absl::Status> ends(3);
  OnThreads(3, [&](int i) {
    // Of a world of three, so that nobody can meet: number 2 is not there.
    ends[i] = CreateGlooCollective(Options(numbers[i], 3, rendezvous)).status();
  });
  for (const absl::Status& end : ends) {
    EXPECT_EQ(end.code(), absl::StatusCode::kAlreadyExists) << end;
    EXPECT_THAT(std::string(end.message()),
                HasSubstr("two ranks have the number 1 of 3"));
  }
}

TEST(GlooMeetingTest, ARendezvousThatDoesNotAnswerIsSaidSo) {
  testing_support::DeadRendezvous rendezvous;
  CollectiveOptions options = Options(1, 2, rendezvous);
  options.rendezvous_timeout = absl::Milliseconds(200);
  const absl::Status status = CreateGlooCollective(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("rank 1 of 2 cannot meet the others: the rendezvous "
                        "does not answer: 10.0.0.1:9 refused"));
}

TEST(GlooMeetingTest, RanksThatDidNotComeAreNamed) {
  testing_support::MemoryRendezvous rendezvous;
  OnThreads(2, [&](int rank) {
    CollectiveOptions options = Options(rank, 4, rendezvous);
    options.rendezvous_timeout = absl::Milliseconds(500);
    const absl::Status status = CreateGlooCollective(options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(absl::StrCat("rank ", rank,
                                       " of 4 met not all others within 500ms: "
                                       "rank 2, 3 did not come")));
  });
}

TEST(GlooMeetingTest, RefusesAWildcardAddressAndARankBeyondTheWorld) {
  testing_support::MemoryRendezvous rendezvous;
  CollectiveOptions open = Options(0, 2, rendezvous);
  open.host = "0.0.0.0";
  EXPECT_EQ(CreateGlooCollective(open).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CreateGlooCollective(Options(2, 2, rendezvous)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CreateGlooCollective({.size = 2}).status().code(),
            absl::StatusCode::kInvalidArgument)
      << "no rendezvous";
}

}  // namespace
}  // namespace operant::learner
