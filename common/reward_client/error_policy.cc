#include "common/reward_client/error_policy.h"

#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace operant {

absl::StatusOr<ErrorPolicy> ParseErrorPolicy(const std::string& text) {
  if (text == "fail") return ErrorPolicy{ErrorPolicy::Action::kFail};
  if (text == "drop") return ErrorPolicy{ErrorPolicy::Action::kDrop};
  absl::string_view number = text;
  double value = 0;
  if (absl::ConsumePrefix(&number, "value:") &&
      absl::SimpleAtod(number, &value) && std::isfinite(value)) {
    return ErrorPolicy{ErrorPolicy::Action::kReplace, value};
  }
  return absl::InvalidArgumentError(
      absl::StrCat("reward.on_error is not understood: value='", text,
                   "', expected fail, drop or value:NUMBER"));
}

}  // namespace operant
