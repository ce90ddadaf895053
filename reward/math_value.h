// A mathematical answer, read from the notations that people and models use.
#ifndef OPERANT_REWARD_MATH_VALUE_H_
#define OPERANT_REWARD_MATH_VALUE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "reward/math_units.h"

namespace operant::reward {

struct MathValue {
  enum class Kind {
    kNumber,  // `number`, its `unit`, and whether it was a `percent`
    kTuple,   // parts in order with their brackets: (1, 2), an interval [0, 1)
    kSet,     // parts in any order: {1, 2}, "1, 2", "1 or 2", \pm 2, a union
    kText,    // none of these: `text`, without white space and mark-up
  };
  Kind kind = Kind::kText;
  long double number = 0;
  std::string digits;  // of a whole number written as digits, else ""
  bool percent = false;
  MathUnit unit;
  char open = 0;
  char close = 0;
  std::vector<MathValue> parts;
  std::string text;
};

// Reads `answer`: integers, decimals, thousands separators, fractions and mixed
// numbers, percentages, units, scientific notation, sums, products and powers,
// roots, pi; in LaTeX or plain. "x = 5" is 5. Never fails: what it cannot read
// is text.
MathValue ReadMathValue(absl::string_view answer);

// Whether both mean the same. Numbers: |a - b| <= tolerance * the larger; whole
// numbers in digits must be the same ones unless `tolerance` exceeds 1e-9. A
// percentage equals its figure and its fraction (50% = 50 = 0.5). Units are
// converted within a dimension; one side may leave its unit out. Texts: but for
// case.
bool SameMathValue(const MathValue& a, const MathValue& b, double tolerance);

}  // namespace operant::reward

#endif  // OPERANT_REWARD_MATH_VALUE_H_
