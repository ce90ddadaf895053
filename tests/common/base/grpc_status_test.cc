#include "common/base/grpc_status.h"

#include <string>

#include "gtest/gtest.h"

namespace operant {
namespace {

TEST(GrpcStatusTest, EveryCodeSurvivesTheRoundTrip) {
  for (int code = 0; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "why");
    EXPECT_EQ(FromGrpcStatus(ToGrpcStatus(status)), status) << code;
    EXPECT_EQ(ToGrpcStatus(status).error_code(), code);
  }
}

TEST(GrpcStatusTest, CutsALongMessageToOneKibibyte) {
  const absl::Status status = absl::InternalError(std::string(5000, 'x'));
  EXPECT_EQ(ToGrpcStatus(status).error_message(), std::string(1024, 'x'));
}

TEST(GrpcStatusTest, CutsAtACharactersBoundary) {
  // Three bytes each: 1024 falls inside the 342nd.
  std::string text;
  for (int i = 0; i < 400; ++i) text += "\xE2\x82\xAC";
  const std::string cut =
      ToGrpcStatus(absl::InternalError(text)).error_message();
  EXPECT_EQ(cut, text.substr(0, 1023));
}

}  // namespace
}  // namespace operant
