// A malicious server below gRPC: what it sends is never a score, ends within
// the deadline, and costs no memory.
#include <sys/resource.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/reward_client/gateway.h"
#include "gtest/gtest.h"
#include "tests/testing/raw_http2_server.h"
#include "tests/testing/scripted_reward_server.h"

namespace operant {
namespace {

using testing::RawHttp2Server;
using namespace testing::http2;
using Send = RawHttp2Server::Send;

struct BadWire {
  const char* name;
  void (*answer)(uint32_t stream, const Send& send);
};

std::string HonestInfo() {
  v1::GetInfoResponse info;
  info.set_name("raw");
  info.set_version("1");
  info.set_api_level(1);
  return info.SerializeAsString();
}

// What `request` deserves.
std::string Honest(const std::string& request) {
  v1::ScoreRequest parsed;
  parsed.ParseFromString(request);
  return testing::HonestAnswer(parsed).SerializeAsString();
}

// GetInfo is answered honestly, Score as `wire` says; null: honestly too.
RawHttp2Server::Answer AnswerWith(const BadWire* wire) {
  return [wire](uint32_t stream, const std::string& body, const Send& send) {
    v1::ScoreRequest request;
    const bool is_score =
        request.ParseFromString(body) && request.items_size() > 0;
    if (is_score && wire != nullptr) return wire->answer(stream, send);
    send(Headers(stream));
    send(Message(stream, is_score ? Honest(body) : HonestInfo()));
    send(Trailers(stream, "0"));
  };
}

absl::StatusOr<std::vector<ItemScore>> ScoreAt(const std::string& address) {
  v1::RewardSection config;
  config.set_batch_items(4);
  config.set_on_error("drop");
  config.set_drop_limit(1);
  config.set_max_abs_score(1e6);
  config.set_unavailable_wait_ms(1);
  v1::RewardEndpoint& endpoint = *config.add_endpoints();
  endpoint.set_name("raw");
  endpoint.set_address(address);
  endpoint.set_weight(1);
  endpoint.set_deadline_ms(1000);
  const auto metrics = MetricRegistry::Create();
  const auto gateway = *RewardGateway::Create({config, "r", ""}, metrics.get());
  const absl::Status greeted = gateway->Handshake();
  if (!greeted.ok()) return greeted;
  std::vector<v1::ScoreItem> items(4);
  for (int i = 0; i < 4; ++i) items[i].set_id(absl::StrCat("item", i));
  return gateway->Score(items, 0, false);
}

int64_t PeakMebibytes() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss >> 10;
}

class BadWireTest : public ::testing::TestWithParam<BadWire> {};

TEST_P(BadWireTest, IsNeverAScoreAndEndsInTime) {
  const RawHttp2Server server(AnswerWith(&GetParam()));
  const int64_t before = PeakMebibytes();
  const absl::Time start = absl::Now();
  const auto scores = ScoreAt(server.address());
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  ASSERT_TRUE(scores.ok()) << scores.status();
  for (const ItemScore& score : *scores) {
    EXPECT_EQ(score.outcome, ItemScore::Outcome::kDropped);
    EXPECT_EQ(score.score, 0);
    EXPECT_FALSE(score.error.ok());
  }
  EXPECT_LT(PeakMebibytes() - before, 64);
}

constexpr uint32_t kGibibyte = 1 << 30;

INSTANTIATE_TEST_SUITE_P(
    Wires, BadWireTest,
    ::testing::Values(
        BadWire{"TrailersOnly",
                [](uint32_t stream, const Send& send) {
                  send(Frame(kHeaders, kEndHeaders | kEndStream, stream,
                             ResponseHeaders() + Header("grpc-status", "0")));
                }},
        BadWire{"NoTrailers",
                [](uint32_t stream, const Send& send) {
                  send(Headers(stream));
                  send(Frame(kData, kEndStream, stream, Prefixed(0, "")));
                }},
        BadWire{"Garbage",
                [](uint32_t stream, const Send& send) {
                  send(Headers(stream));
                  send(Message(stream, std::string(100, '\xff')));
                  send(Trailers(stream, "0"));
                }},
        BadWire{"CutMessage",
                [](uint32_t stream, const Send& send) {
                  send(Headers(stream));
                  send(Frame(kData, kNone, stream, Prefixed(100, "ten bytes")));
                  send(Trailers(stream, "0"));
                }},
        BadWire{"TwoAnswers",
                [](uint32_t stream, const Send& send) {
                  send(Headers(stream));
                  send(Message(stream, ""));
                  send(Message(stream, ""));
                  send(Trailers(stream, "0"));
                }},
        BadWire{"OneGibibyteClaimed",
                [](uint32_t stream, const Send& send) {
                  send(Headers(stream));
                  send(Frame(kData, kNone, stream,
                             Prefixed(kGibibyte, std::string(1000, 'x'))));
                }},
        BadWire{"EndlessData",
                [](uint32_t stream, const Send& send) {
                  send(Headers(stream));
                  send(Frame(kData, kNone, stream, Prefixed(kGibibyte, "")));
                  const std::string chunk =
                      Frame(kData, kNone, stream, std::string(16'000, 'x'));
                  for (int i = 0; i < 10'000 && send(chunk); ++i) {
                  }
                }},
        BadWire{"EndlessMessages",
                [](uint32_t stream, const Send& send) {
                  send(Headers(stream));
                  const std::string empty = Message(stream, "");
                  for (int i = 0; i < 100'000 && send(empty); ++i) {
                  }
                }},
        BadWire{"Silence", [](uint32_t, const Send&) {}},
        BadWire{
            "HeadersThenSilence",
            [](uint32_t stream, const Send& send) { send(Headers(stream)); }},
        BadWire{"Reset",
                [](uint32_t stream, const Send& send) {
                  send(Frame(kRst, kNone, stream, BigEndian(2, 4)));
                }},
        BadWire{"GoAway",
                [](uint32_t, const Send& send) {
                  send(Frame(kGoAway, kNone, 0, std::string(8, '\0')));
                }},
        BadWire{"NoHttp2",
                [](uint32_t, const Send& send) {
                  send("HTTP/1.1 200 OK\r\n\r\n{\"reward\": 1}");
                }},
        BadWire{"UnknownStatus",
                [](uint32_t stream, const Send& send) {
                  send(Headers(stream));
                  send(Trailers(stream, "99"));
                }},
        BadWire{"HugeHeaders",
                [](uint32_t stream, const Send& send) {
                  std::string headers = ResponseHeaders();
                  for (int i = 0; i < 120; ++i) {
                    headers +=
                        Header(absl::StrCat("x-", i), std::string(100, 'x'));
                  }
                  send(Frame(kHeaders, kEndHeaders | kEndStream, stream,
                             headers + Header("grpc-status", "0")));
                }}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(RawHttp2ServerTest, HonestBytesAreAScore) {
  const RawHttp2Server server(AnswerWith(nullptr));
  const auto scores = ScoreAt(server.address());
  ASSERT_TRUE(scores.ok()) << scores.status();
  EXPECT_EQ((*scores)[3].outcome, ItemScore::Outcome::kScored);
  EXPECT_EQ((*scores)[3].score, 0.5);
}

}  // namespace
}  // namespace operant
