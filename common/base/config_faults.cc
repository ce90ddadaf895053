#include "common/base/config_faults.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace operant::internal {
namespace {

constexpr size_t kMaxShownBytes = 80;
constexpr size_t kMaxShownFaults = 50;

}  // namespace

std::string ShownValue(std::string_view value) {
  if (value.empty()) return "nothing";
  std::string shown(value.substr(0, kMaxShownBytes));
  if (value.size() > kMaxShownBytes) shown += "...";
  return absl::Utf8SafeCHexEscape(shown);
}

void ConfigFaults::Add(std::string line) { lines_.push_back(std::move(line)); }

void ConfigFaults::Add(const ValueFault& fault) {
  Add(absl::StrCat(fault.key, ": value ", ShownValue(fault.value),
                   ", expected ", fault.expected,
                   fault.next_step.empty() ? "" : "; ", fault.next_step));
}

absl::Status ConfigFaults::ToStatus() const {
  if (lines_.empty()) return absl::OkStatus();
  std::string text = absl::StrCat("configuration refused: ", lines_.size(),
                                  lines_.size() == 1 ? " fault" : " faults");
  const size_t shown = std::min(lines_.size(), kMaxShownFaults);
  for (size_t i = 0; i < shown; ++i) absl::StrAppend(&text, "\n  ", lines_[i]);
  if (shown < lines_.size()) {
    absl::StrAppend(&text, "\n  and ", lines_.size() - shown, " more");
  }
  return absl::InvalidArgumentError(text);
}

}  // namespace operant::internal
