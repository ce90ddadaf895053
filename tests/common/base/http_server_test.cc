#include "common/base/http_server.h"

#include <string>

#include "absl/time/clock.h"
#include "common/base/address.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "httplib.h"

namespace operant {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class HttpServerTest : public testing::Test {
 protected:
  std::unique_ptr<HttpServer> Start() {
    auto server = HttpServer::Create("127.0.0.1:0", metrics_.get(), &health_);
    EXPECT_TRUE(server.ok()) << server.status();
    return *std::move(server);
  }

  httplib::Result Get(const HttpServer& server, const std::string& path) {
    httplib::Client client("http://" + server.address());
    client.set_read_timeout(5);
    return client.Get(path);
  }

  std::unique_ptr<MetricRegistry> metrics_ = MetricRegistry::Create();
  Health health_;
};

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
  const auto second =
      HttpServer::Create(server->address(), metrics_.get(), &health_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr(server->address()));
}

TEST_F(HttpServerTest, AMalformedAddressIsInvalidArgument) {
  for (const char* address : {"", "localhost", "127.0.0.1:http", ":80"}) {
    const auto server = HttpServer::Create(address, metrics_.get(), &health_);
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
