#include "common/base/address.h"

#include "gtest/gtest.h"

namespace operant {
namespace {

TEST(AddressTest, ParsesNamesAndBothKindsOfNumbers) {
  for (const char* text : {"127.0.0.1:80", "host:0", "[::1]:65535"}) {
    const auto address = ParseHostPort(text);
    ASSERT_TRUE(address.ok()) << text;
    EXPECT_EQ(address->ToString(), text);
  }
  EXPECT_EQ(ParseHostPort("[::1]:7")->host, "::1");
}

TEST(AddressTest, RefusesWhatIsNoHostAndPort) {
  for (const char* text :
       {"", ":", "host", "host:", ":80", "host:-1", "host:65536", "host:8o",
        "::1:80", "[]:80", "[host]:80"}) {
    EXPECT_EQ(ParseHostPort(text).status().code(),
              absl::StatusCode::kInvalidArgument)
        << text;
  }
}

TEST(AddressTest, KnowsLoopback) {
  for (const char* host : {"127.0.0.1", "127.8.9.1", "::1", "localhost"}) {
    EXPECT_TRUE(IsLoopback(host)) << host;
  }
  for (const char* host : {"0.0.0.0", "::", "10.0.0.1", "example.com", ""}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

TEST(AddressTest, ATargetMayStartWithTheNameOfItsResolver) {
  EXPECT_EQ(ParseTarget("dns:///rewards.example:1")->host, "rewards.example");
  EXPECT_EQ(ParseTarget("[::1]:2")->port, 2);
  EXPECT_FALSE(ParseTarget("dns:///rewards.example").ok());
  for (const char* target : {"dns:///localhost:1", "127.0.0.1:1", "[::1]:1"}) {
    EXPECT_TRUE(IsLoopbackTarget(target)) << target;
  }
  for (const char* target : {"dns:///learner:1", "10.0.0.1:1", "localhost"}) {
    EXPECT_FALSE(IsLoopbackTarget(target)) << target;
  }
}

TEST(AddressTest, AnAddressOfAnotherMachineIsInvalidArgument) {
  // TEST-NET-1 (RFC 5737) belongs to no machine.
  EXPECT_EQ(CheckCanListen({"192.0.2.1", 0}).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(AddressTest, AFreePortOfThisMachineIsFine) {
  EXPECT_EQ(CheckCanListen({"127.0.0.1", 0}), absl::OkStatus());
}

}  // namespace
}  // namespace operant
