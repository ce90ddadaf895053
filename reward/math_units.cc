#include "reward/math_units.h"

#include <cmath>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace operant::reward {
namespace {

struct Known {
  const char* base;
  long double factor;
};

// Symbols and singular names. Exact by definition.
const std::map<std::string, Known, std::less<>>& KnownUnits() {
  static const auto& units = *new std::map<std::string, Known, std::less<>>{
      {"m", {"m", 1}},
      {"meter", {"m", 1}},
      {"metre", {"m", 1}},
      {"km", {"m", 1000}},
      {"kilometer", {"m", 1000}},
      {"kilometre", {"m", 1000}},
      {"cm", {"m", 0.01L}},
      {"centimeter", {"m", 0.01L}},
      {"centimetre", {"m", 0.01L}},
      {"mm", {"m", 0.001L}},
      {"millimeter", {"m", 0.001L}},
      {"millimetre", {"m", 0.001L}},
      {"inch", {"m", 0.0254L}},
      {"inche", {"m", 0.0254L}},
      {"foot", {"m", 0.3048L}},
      {"feet", {"m", 0.3048L}},
      {"ft", {"m", 0.3048L}},
      {"yard", {"m", 0.9144L}},
      {"yd", {"m", 0.9144L}},
      {"mile", {"m", 1609.344L}},
      {"mi", {"m", 1609.344L}},
      {"g", {"g", 1}},
      {"gram", {"g", 1}},
      {"kg", {"g", 1000}},
      {"kilogram", {"g", 1000}},
      {"mg", {"g", 0.001L}},
      {"milligram", {"g", 0.001L}},
      {"lb", {"g", 453.59237L}},
      {"ounce", {"g", 28.349523125L}},
      {"oz", {"g", 28.349523125L}},
      {"s", {"s", 1}},
      {"sec", {"s", 1}},
      {"second", {"s", 1}},
      {"ms", {"s", 0.001L}},
      {"min", {"s", 60}},
      {"minute", {"s", 60}},
      {"h", {"s", 3600}},
      {"hr", {"s", 3600}},
      {"hour", {"s", 3600}},
      {"day", {"s", 86400}},
      {"week", {"s", 604800}},
      {"l", {"l", 1}},
      {"liter", {"l", 1}},
      {"litre", {"l", 1}},
      {"ml", {"l", 0.001L}},
      {"milliliter", {"l", 0.001L}},
      {"millilitre", {"l", 0.001L}},
      {"dollar", {"dollar", 1}},
      {"usd", {"dollar", 1}},
      {"cent", {"dollar", 0.01L}},
      {"euro", {"euro", 1}},
      {"degree", {"degree", 1}},
      {"deg", {"degree", 1}},
      {"radian", {"degree", 57.29577951308232087679815481410517L}},
      {"rad", {"degree", 57.29577951308232087679815481410517L}},
  };
  return units;
}

std::string Singular(std::string word) {
  if (KnownUnits().count(word) > 0) return word;
  if (word.size() > 3 && absl::EndsWith(word, "ies")) {
    return word.substr(0, word.size() - 3) + "y";
  }
  if (word.size() > 3 && absl::EndsWith(word, "s") &&
      !absl::EndsWith(word, "ss")) {
    word.pop_back();
  } else if (word.size() == 3 && absl::EndsWith(word, "s") &&
             KnownUnits().count(word.substr(0, 2)) > 0) {
    word.pop_back();  // kgs, hrs
  }
  return word;
}

// Multiplies `unit` by `word` to the `power`. Whether the word can be one.
bool Multiply(const std::string& word, int power, bool spaced, MathUnit& unit) {
  const std::string name = Singular(word);
  const auto known = KnownUnits().find(name);
  if (known == KnownUnits().end()) {
    if (!spaced || (name.size() < 2 && unit.empty())) return false;
    unit.bases[name] += power;
    return true;
  }
  unit.bases[known->second.base] += power;
  unit.factor *= std::pow(known->second.factor, power);
  return true;
}

// "m^2" or "m2" into its word and power.
bool SplitPower(std::string& word, int& power) {
  const size_t letters = word.find_first_not_of("abcdefghijklmnopqrstuvwxyz'-");
  power = 1;
  if (letters == 0) return false;
  if (letters == std::string::npos) return true;
  std::string exponent = word.substr(letters);
  word.resize(letters);
  if (exponent[0] == '^') exponent.erase(0, 1);
  return absl::SimpleAtoi(exponent, &power) && power >= 1 && power <= 9;
}

}  // namespace

std::optional<MathUnit> ReadMathUnit(absl::string_view text, bool spaced) {
  const std::string plain = absl::StrReplaceAll(
      absl::AsciiStrToLower(text),
      {{"(", ""}, {")", ""}, {"/", " / "}, {"*", " "}, {".", " "}, {",", " "}});
  MathUnit unit;
  int sign = 1, next_power = 1;
  for (std::string word : std::vector<std::string>(
           absl::StrSplit(plain, ' ', absl::SkipEmpty()))) {
    int power = 1;
    if (word == "/" || word == "per") {
      sign = -1;
    } else if (word == "square" || word == "sq") {
      next_power = 2;
    } else if (word == "cubic") {
      next_power = 3;
    } else if (!SplitPower(word, power) ||
               !Multiply(word, sign * power * next_power, spaced, unit)) {
      return {};
    } else {
      next_power = 1;
    }
  }
  if (unit.empty()) return {};
  return unit;
}

}  // namespace operant::reward
