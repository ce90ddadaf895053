// Where the answer is in a response to a mathematical question.
#ifndef OPERANT_REWARD_MATH_ANSWER_H_
#define OPERANT_REWARD_MATH_ANSWER_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace operant::reward {

// The last \boxed{}, else what follows the last "answer is", "answer:" or
// "####" (to the end of its line or sentence), else the last number. None
// without any of these.
std::optional<std::string> FindMathAnswer(absl::string_view response);

// The first number in `text` that stands alone, a sign before it and a percent
// sign behind it included: "5" in "5 because 2 + 3 = 5". None if there is none.
std::optional<std::string> FirstNumber(absl::string_view text);

}  // namespace operant::reward

#endif  // OPERANT_REWARD_MATH_ANSWER_H_
