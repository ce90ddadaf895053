#include "common/base/http_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "common/base/address.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "httplib.h"

namespace operant {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Connects, sends half a request and waits.
class SlowPeer {
 public:
  explicit SlowPeer(const std::string& address)
      : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    const HostPort where = *ParseHostPort(address);
    sockaddr_in peer{};
    peer.sin_family = AF_INET;
    peer.sin_port = htons(where.port);
    inet_pton(AF_INET, where.host.c_str(), &peer.sin_addr);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&peer), sizeof(peer)),
              0);
    EXPECT_GT(send(fd_, "GET /metr", 9, 0), 0);
  }
  ~SlowPeer() { close(fd_); }

 private:
  const int fd_;
};

class HttpServerTest : public testing::Test {
 protected:
  std::unique_ptr<HttpServer> Start() {
    auto server = HttpServer::Create("127.0.0.1:0", Options());
    EXPECT_TRUE(server.ok()) << server.status();
    return *std::move(server);
  }

  httplib::Result Get(const HttpServer& server, const std::string& path) {
    httplib::Client client("http://" + server.address());
    client.set_read_timeout(5);
    return client.Get(path);
  }

  HttpServer::Options Options() {
    return {.metrics = metrics_.get(), .health = &health_, .targets = [] {
              return std::string("[]\n");
            }};
  }

  std::unique_ptr<MetricRegistry> metrics_ = MetricRegistry::Create();
  Health health_;
};

TEST_F(HttpServerTest, ServesTheScrapeTargetsOfARun) {
  const auto server = Start();
  const httplib::Result result = Get(*server, "/sd");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->body, "[]\n");
  EXPECT_EQ(result->get_header_value("Content-Type"), "application/json");
}

TEST_F(HttpServerTest, AFloodOfScrapesIsSpacedOut) {
  const auto server = Start();
  const absl::Time start = absl::Now();
  std::vector<std::thread> peers;
  std::atomic<int> answers = 0;
  for (int i = 0; i < 10; ++i) {
    peers.emplace_back([&] {
      for (int n = 0; n < 6; ++n) {
        if (Get(*server, "/metrics")) ++answers;
      }
    });
  }
  for (std::thread& peer : peers) peer.join();
  EXPECT_EQ(answers, 60) << "spaced out, not refused";
  EXPECT_GT(absl::Now() - start, absl::Milliseconds(900));
}

TEST_F(HttpServerTest, SlowPeersDoNotHoldUpAScrape) {
  const auto server = Start();
  std::vector<std::unique_ptr<SlowPeer>> slow;
  for (int i = 0; i < 12; ++i)
    slow.push_back(std::make_unique<SlowPeer>(server->address()));
  const absl::Time start = absl::Now();
  ASSERT_TRUE(Get(*server, "/metrics"));
  // A slow peer is given up after 2 s; a connection that finds the listen queue
  // full is tried again after 1 s.
  EXPECT_LT(absl::Now() - start, absl::Milliseconds(1800));
}

TEST_F(HttpServerTest, ServesTheRegistryAsPrometheusText) {
  metrics_->AddCounter("operant_test_things_total", "Help.").Increment(2);
  const auto server = Start();
  const httplib::Result result = Get(*server, "/metrics");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, 200);
  EXPECT_THAT(result->get_header_value("Content-Type"),
              StartsWith("text/plain; version=0.0.4"));
  EXPECT_THAT(result->body, HasSubstr("operant_test_things_total 2"));
  EXPECT_THAT(result->body, HasSubstr("process_open_fds"));
}

TEST_F(HttpServerTest, ProbesTellHealthByCodeAndReason) {
  const auto server = Start();
  EXPECT_EQ(Get(*server, "/healthz/startup")->status, 503);
  health_.SetStarted();
  EXPECT_EQ(Get(*server, "/healthz/startup")->status, 200);
  EXPECT_EQ(Get(*server, "/healthz/live")->status, 200);
  health_.SetReady(false, "no weights yet");
  EXPECT_EQ(Get(*server, "/healthz/ready")->status, 503);
  EXPECT_EQ(Get(*server, "/healthz/ready")->body, "no weights yet\n");
  EXPECT_EQ(Get(*server, "/nothing")->status, 404);
}

TEST_F(HttpServerTest, StuckProcessIsNotLive) {
  const auto server = Start();
  health_.ExpectProgress(absl::Milliseconds(1));
  absl::SleepFor(absl::Milliseconds(5));
  EXPECT_EQ(Get(*server, "/healthz/live")->status, 503);
}

TEST_F(HttpServerTest, AFreePortIsReported) {
  const auto server = Start();
  const auto address = ParseHostPort(server->address());
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->host, "127.0.0.1");
  EXPECT_GT(address->port, 0);
}

TEST_F(HttpServerTest, APortInUseIsFailedPreconditionNamingIt) {
  const auto server = Start();
  const auto second = HttpServer::Create(server->address(), Options());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr(server->address()));
}

TEST_F(HttpServerTest, AMalformedAddressIsInvalidArgument) {
  for (const char* address : {"", "localhost", "127.0.0.1:http", ":80"}) {
    const auto server = HttpServer::Create(address, Options());
    EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument)
        << address;
  }
}

TEST_F(HttpServerTest, EndsAtOnceEvenIfItJustStarted) {
  const absl::Time start = absl::Now();
  for (int i = 0; i < 50; ++i) Start();
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
}

}  // namespace
}  // namespace operant
