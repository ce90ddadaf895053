#include "common/deploy/deploy_units.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace operant::deploy {

uint64_t Mebibytes(std::string_view quantity) {
  absl::string_view number(quantity.data(), quantity.size());
  uint64_t factor = 0;
  if (absl::ConsumeSuffix(&number, "Mi")) factor = 1;
  if (absl::ConsumeSuffix(&number, "Gi")) factor = 1024;
  if (absl::ConsumeSuffix(&number, "Ti")) factor = 1024 * 1024;
  uint32_t value = 0;
  return absl::SimpleAtoi(number, &value) ? value * factor : 0;
}

bool IsDnsLabel(std::string_view name, size_t limit) {
  if (name.empty() || name.size() > limit || !absl::ascii_islower(name[0]) ||
      name.back() == '-') {
    return false;
  }
  return std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
  });
}

bool IsSlurmTime(std::string_view text) {
  const size_t dash = text.find('-');
  uint32_t number = 0;
  if (dash != std::string_view::npos) {
    if (!absl::SimpleAtoi(absl::string_view(text.data(), dash), &number))
      return false;
    text.remove_prefix(dash + 1);
  }
  const std::vector<std::string> parts =
      absl::StrSplit(absl::string_view(text.data(), text.size()), ':');
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &number)) return false;
  return std::all_of(parts.begin() + 1, parts.end(), [&](const auto& part) {
    return part.size() == 2 && absl::SimpleAtoi(part, &number) && number < 60;
  });
}

}  // namespace operant::deploy
