#include "common/reward_client/server_info.h"

#include <limits>

#include "gtest/gtest.h"

namespace operant {
namespace {

v1::GetInfoResponse Good() {
  v1::GetInfoResponse info;
  info.set_api_level(1);
  info.add_needs(v1::GetInfoResponse::TEXT);
  info.add_component_names("style");
  return info;
}

TEST(CheckInfoTest, AcceptsThisLevelAndHigherOnes) {
  v1::GetInfoResponse info = Good();
  EXPECT_TRUE(CheckInfo(info).ok());
  info.set_api_level(7);
  EXPECT_TRUE(CheckInfo(info).ok());
}

void ExpectRefused(const v1::GetInfoResponse& info) {
  EXPECT_EQ(CheckInfo(info).code(), absl::StatusCode::kFailedPrecondition)
      << info.ShortDebugString();
}

TEST(CheckInfoTest, RefusesAnAbsentLevelAndUnknownNeeds) {
  v1::GetInfoResponse info = Good();
  info.clear_api_level();
  ExpectRefused(info);
  for (int need : {0, 6, 1000}) {
    info = Good();
    info.add_needs(static_cast<v1::GetInfoResponse::Need>(need));
    ExpectRefused(info);
  }
}

TEST(CheckInfoTest, RefusesAnImpossibleRange) {
  v1::GetInfoResponse info = Good();
  info.set_has_score_range(true);
  info.set_score_min(1);
  info.set_score_max(0);
  ExpectRefused(info);
  info.set_score_max(std::numeric_limits<double>::quiet_NaN());
  ExpectRefused(info);
}

TEST(CheckInfoTest, RefusesNamesThatCouldNotBeLabels) {
  for (const char* name : {"", "two words", "a\nb", "a/b"}) {
    v1::GetInfoResponse info = Good();
    info.add_component_names(name);
    ExpectRefused(info);
  }
  v1::GetInfoResponse info = Good();
  for (int i = 0; i < 100; ++i) info.add_component_names("x");
  ExpectRefused(info);
}

TEST(PrintableTest, EscapesAndCuts) {
  EXPECT_EQ(Printable("a\nb"), "a\\nb");
  EXPECT_EQ(Printable(std::string(1000, '\x01')).size(), 203);
  EXPECT_EQ(Printable(std::string(1000, 'x')).size(), 203);
}

}  // namespace
}  // namespace operant
