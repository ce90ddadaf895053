// Arithmetic in plain text, as answers write it.
#ifndef OPERANT_REWARD_MATH_EXPRESSION_H_
#define OPERANT_REWARD_MATH_EXPRESSION_H_

#include <optional>

#include "absl/strings/string_view.h"

namespace operant::reward {

// Stands before a fraction that was typeset as one: after a whole number it
// makes a mixed number, 3 1/2, where plain parentheses would multiply.
inline constexpr char kFractionMark = '\x01';

// The finite or infinite number that `text` evaluates to: + - * / ^, implied
// products (2pi, 3sqrt(2)), parentheses, sqrt, pi, inf, decimals, exponents
// (1.2e5), thousands separators, mixed numbers ("3 1/2"), digits in groups of
// three ("10 000"). None if anything else is in it, it divides by zero, or it
// nests more than 32 deep.
std::optional<long double> EvaluateArithmetic(absl::string_view text);

}  // namespace operant::reward

#endif  // OPERANT_REWARD_MATH_EXPRESSION_H_
