// Units of measure in answers.
#ifndef OPERANT_REWARD_MATH_UNITS_H_
#define OPERANT_REWARD_MATH_UNITS_H_

#include <map>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace operant::reward {

// A product of base units to powers and the factor to them: "km/h" is
// {m: 1, s: -1} with 1/3.6. A word that is no unit of measure ("apples") is a
// base of its own, in the singular.
struct MathUnit {
  std::map<std::string, int> bases;
  long double factor = 1;
  bool empty() const { return bases.empty(); }
};

// Reads "cm", "square metres", "m/s^2", "miles per hour", "apples". None for
// what does not look like one: a lone letter that is no known unit, signs.
// `spaced`: whether it stood apart from its number, which a word that is no
// unit of measure must.
std::optional<MathUnit> ReadMathUnit(absl::string_view text, bool spaced);

}  // namespace operant::reward

#endif  // OPERANT_REWARD_MATH_UNITS_H_
