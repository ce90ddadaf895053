#include "common/reward_client/failed_call.h"

#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/base/exit_code.h"
#include "common/base/grpc_status.h"
#include "common/base/retry.h"
#include "common/reward_client/server_info.h"

namespace operant {
namespace {

AnswerOutcome OutcomeOf(const absl::Status& call) {
  if (absl::IsDeadlineExceeded(call)) return AnswerOutcome::kTimeout;
  if (absl::IsDataLoss(call)) return AnswerOutcome::kMalformed;
  return IsRetryable(call) ? AnswerOutcome::kUnavailable
                           : AnswerOutcome::kRefused;
}

}  // namespace

ItemAnswer FailedCall(const absl::Status& call) {
  const bool retryable = IsRetryable(call);
  const ExitCode exit =
      retryable ? ExitCode::kRewardUnavailable : ExitCode::kData;
  absl::Status status(
      call.code(),
      absl::StrCat("call failed: code=", absl::StatusCodeToString(call.code()),
                   " message='", Printable(std::string(call.message())),
                   "', expected an answer; look at the server's log"));
  return ErrorAnswer(OutcomeOf(call), WithExitCode(std::move(status), exit),
                     retryable);
}

ItemAnswer UnaskedAnswer() {
  return FailedCall(absl::UnavailableError(
      "left alone for a moment after calls that failed in a row"));
}

std::vector<size_t> RetryablePositions(const std::vector<v1::ScoreItem>& items,
                                       const std::vector<int>& batch,
                                       const std::vector<ItemAnswer>& answers,
                                       bool whole_groups) {
  absl::flat_hash_set<std::string> groups;
  std::vector<size_t> again;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (answers[i].status.ok() || !answers[i].retryable) continue;
    again.push_back(i);
    groups.insert(items[batch[i]].group_id());
  }
  if (!whole_groups || again.empty()) return again;
  again.clear();
  for (size_t i = 0; i < batch.size(); ++i) {
    if (groups.contains(items[batch[i]].group_id())) again.push_back(i);
  }
  return again;
}

}  // namespace operant
