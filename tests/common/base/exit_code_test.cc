#include "common/base/exit_code.h"

#include <utility>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

TEST(ExitCodeTest, FollowsTheTableOfCanonicalCodes) {
  const std::pair<absl::StatusCode, int> table[] = {
      {absl::StatusCode::kOk, 0},
      {absl::StatusCode::kInvalidArgument, 78},
      {absl::StatusCode::kNotFound, 78},
      {absl::StatusCode::kFailedPrecondition, 78},
      {absl::StatusCode::kOutOfRange, 78},
      {absl::StatusCode::kAlreadyExists, 78},
      {absl::StatusCode::kDataLoss, 65},
      {absl::StatusCode::kUnavailable, 75},
      {absl::StatusCode::kDeadlineExceeded, 75},
      {absl::StatusCode::kAborted, 75},
      {absl::StatusCode::kResourceExhausted, 75},
      {absl::StatusCode::kCancelled, 75},
      {absl::StatusCode::kInternal, 70},
      {absl::StatusCode::kUnknown, 70},
      {absl::StatusCode::kUnimplemented, 78},
      {absl::StatusCode::kPermissionDenied, 78},
      {absl::StatusCode::kUnauthenticated, 70},
  };
  for (const auto& [code, exit] : table) {
    EXPECT_EQ(static_cast<int>(ExitCodeFor(absl::Status(code, "x"))), exit)
        << absl::StatusCodeToString(code);
  }
}

TEST(ExitCodeTest, AMarkOverrulesTheCanonicalCode) {
  const absl::Status marked = WithExitCode(absl::UnavailableError("no answer"),
                                           ExitCode::kRewardUnavailable);
  EXPECT_EQ(ExitCodeFor(marked), ExitCode::kRewardUnavailable);
  EXPECT_EQ(marked.code(), absl::StatusCode::kUnavailable);
}

TEST(ExitCodeTest, TheMarkTravelsInAStatusOr) {
  const absl::StatusOr<int> result =
      WithExitCode(absl::InternalError("kl"), ExitCode::kDiverged);
  EXPECT_EQ(ExitCodeFor(result.status()), ExitCode::kDiverged);
}

}  // namespace
}  // namespace operant
