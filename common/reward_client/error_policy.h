// What becomes of an item that no retry could score (reward.on_error).
#ifndef OPERANT_COMMON_REWARD_CLIENT_ERROR_POLICY_H_
#define OPERANT_COMMON_REWARD_CLIENT_ERROR_POLICY_H_

#include <string>

#include "absl/status/statusor.h"

namespace operant {

struct ErrorPolicy {
  enum class Action { kFail, kDrop, kReplace };
  Action action = Action::kFail;
  double value = 0;  // of kReplace; finite
};

// Reads "fail", "drop" or "value:X". InvalidArgument otherwise.
absl::StatusOr<ErrorPolicy> ParseErrorPolicy(const std::string& text);

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_ERROR_POLICY_H_
