#include "rollout/weight_fetcher.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/rpc.h"
#include "common/nn/weight_rpc.h"
#include "gtest/gtest.h"
#include "tests/testing/fake_generation_engine.h"
#include "tests/testing/tiny_weights.h"

namespace operant::rollout {
namespace {

constexpr absl::Duration kGrace = absl::Seconds(2);

absl::Time At(int seconds) { return absl::FromUnixSeconds(1000 + seconds); }

TEST(FetchScheduleTest, AWorkerWithoutWeightsFetchesAtOnce) {
  FetchSchedule schedule(kGrace);
  EXPECT_TRUE(schedule.ShouldFetch({.behind = true}, At(0)));
}

TEST(FetchScheduleTest, AWorkerWithWeightsGivesThePushItsGrace) {
  FetchSchedule schedule(kGrace);
  const WeightLoader::Status behind = {.active = PolicyVersion{1, "a"},
                                       .behind = true};
  EXPECT_FALSE(schedule.ShouldFetch(behind, At(0)));
  EXPECT_FALSE(schedule.ShouldFetch(behind, At(1)));
  EXPECT_TRUE(schedule.ShouldFetch(behind, At(2)));
  EXPECT_FALSE(schedule.ShouldFetch(behind, At(3)));  // under way
  EXPECT_TRUE(schedule.ShouldFetch(behind, At(4)));   // it failed
}

TEST(FetchScheduleTest, APushUnderWayIsNotDoubled) {
  FetchSchedule schedule(kGrace);
  EXPECT_FALSE(schedule.ShouldFetch(
      {.incoming = PolicyVersion{2, "b"}, .behind = true}, At(0)));
}

TEST(FetchScheduleTest, AWorkerUpToDateNeverFetches) {
  FetchSchedule schedule(kGrace);
  EXPECT_FALSE(
      schedule.ShouldFetch({.active = PolicyVersion{2, "b"}}, At(100)));
}

class WeightFetcherTest : public ::testing::Test {
 protected:
  WeightFetcherTest()
      : sealed_(*SealWeights(TinyImage(1), 4, ModelDigest(TinyModel()), 256)),
        source_([this](const v1::FetchRequest&) { return Newest(); }),
        metrics_(MetricRegistry::Create()),
        loader_({.model = TinyModel(),
                 .engine = &engine_,
                 .metrics = metrics_.get(),
                 .health = &health_}),
        server_(*RpcServer::Create({.services = {&source_}})) {}

  absl::StatusOr<std::shared_ptr<const SealedWeights>> Newest() {
    if (calls_++ < failures_) return absl::NotFoundError("not yet");
    return sealed_;
  }

  // Heartbeats until the version is active or the time is up.
  bool Beat(WeightFetcher& fetcher) {
    const PolicyVersion published = {4, sealed_->manifest_sha256};
    const absl::Time deadline = absl::Now() + absl::Seconds(5);
    for (int beat = 0; absl::Now() < deadline; ++beat) {
      fetcher.OnPublished(published, absl::Now());
      absl::SleepFor(absl::Milliseconds(5));
      if (loader_.status().active == published) return true;
    }
    return false;
  }

  std::shared_ptr<const SealedWeights> sealed_;
  int calls_ = 0;
  int failures_ = 0;
  WeightSource source_;
  FakeGenerationEngine engine_;
  Health health_;
  std::unique_ptr<MetricRegistry> metrics_;
  WeightLoader loader_;
  std::unique_ptr<RpcServer> server_;
};

TEST_F(WeightFetcherTest, AWorkerThatMissedAPushCatchesUp) {
  WeightFetcher fetcher({.loader = &loader_,
                         .source = MakeChannel(server_->address()),
                         .worker_id = "w",
                         .grace = absl::Milliseconds(20)});
  EXPECT_TRUE(Beat(fetcher));
  EXPECT_EQ(engine_.active().version, 4u);
  EXPECT_EQ(engine_.active().weights_digest, sealed_->manifest_sha256);
  EXPECT_EQ(calls_, 1);
}

TEST_F(WeightFetcherTest, AFailedFetchIsTriedAgain) {
  failures_ = 2;
  WeightFetcher fetcher({.loader = &loader_,
                         .source = MakeChannel(server_->address()),
                         .worker_id = "w",
                         .grace = absl::Milliseconds(20)});
  EXPECT_TRUE(Beat(fetcher));
  EXPECT_EQ(calls_, 3);
}

// A port that accepts connections and never says a word.
class SilentPort {
 public:
  SilentPort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(fd_, generic, size), 0);
    EXPECT_EQ(listen(fd_, 1), 0);
    EXPECT_EQ(getsockname(fd_, generic, &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~SilentPort() { close(fd_); }
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

 private:
  int fd_;
  int port_ = 0;
};

TEST_F(WeightFetcherTest, ASilentSourceDoesNotHoldUpTheEnd) {
  const SilentPort silent;
  const absl::Time begun = absl::Now();
  {
    WeightFetcher fetcher({.loader = &loader_,
                           .source = MakeChannel(silent.address()),
                           .worker_id = "w"});
    fetcher.OnPublished({4, sealed_->manifest_sha256}, absl::Now());
    absl::SleepFor(absl::Milliseconds(50));  // lets the fetch begin
  }
  // Far below the fetch's own deadline of a minute.
  EXPECT_LT(absl::Now() - begun, absl::Seconds(5));
}

}  // namespace
}  // namespace operant::rollout
