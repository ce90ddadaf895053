// LaTeX and typographic signs of an answer, in plain characters.
#ifndef OPERANT_REWARD_MATH_MARKUP_H_
#define OPERANT_REWARD_MATH_MARKUP_H_

#include <string>

#include "absl/strings/string_view.h"

namespace operant::reward {

inline constexpr char kPlusMinus = '\x02';
inline constexpr char kSetOpen = '\x03';
inline constexpr char kSetClose = '\x04';

// `answer` without mark-up: \frac{a}{b} becomes kFractionMark((a)/(b)), \sqrt
// sqrt(...), \cdot *, \text{x} x, \pm kPlusMinus, \{ kSetOpen, grouping braces
// parentheses, degree signs " degree", currency signs before a number a unit
// behind it; delimiters, sizes and spaces go, and so does a final full stop.
std::string PlainMath(absl::string_view answer);

// What stands in the braces that open at text[at] == '{', and moves `at` behind
// them; "" and no move if they do not close.
absl::string_view BracedGroup(absl::string_view text, size_t& at);

}  // namespace operant::reward

#endif  // OPERANT_REWARD_MATH_MARKUP_H_
