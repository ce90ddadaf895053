#include "tests/layering/include_rule.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"

namespace operant {
namespace {

constexpr char kTensorHeader[] = "ATen/core/Tensor.h";

// A folder -> the folders below it that it may include, beside itself.
// tests and bench stand above all and are not here.
const std::map<std::string, std::set<std::string>>& Below() {
  static const auto& below = *new std::map<std::string, std::set<std::string>>{
      {"common/base", {"operant/v1"}},
      {"common/text", {"operant/v1", "common/base"}},
      {"common/reward_client", {"operant/v1", "common/base"}},
      {"common/run", {"operant/v1", "common/base"}},
      {"common/deploy", {"operant/v1", "common/base"}},
      {"common/nn", {"operant/v1", "common"}},
      {"rollout", {"operant/v1", "common"}},
      {"reward", {"operant/v1", "common"}},
      {"learner", {"operant/v1", "common"}},
      {"cli", {"operant/v1", "common", "rollout", "reward", "learner"}},
  };
  return below;
}

// Folders of this project: an include of anything else is a library's.
constexpr std::string_view kProject[] = {"operant/v1", "common",  "rollout",
                                         "reward",     "learner", "cli",
                                         "tests",      "bench"};

constexpr std::string_view kTorch[] = {"torch", "ATen", "c10"};

constexpr std::string_view kWithoutTorch[] = {"common/base", "common/text",
                                              "common/reward_client",
                                              "common/run", "common/deploy"};

bool IsIn(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) &&
         path[folder.size()] == '/';
}

template <typename Folders>
bool IsInAny(std::string_view path, const Folders& folders) {
  return std::any_of(std::begin(folders), std::end(folders),
                     [path](std::string_view f) { return IsIn(path, f); });
}

std::string_view SkipSpaces(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  return begin == std::string_view::npos ? "" : text.substr(begin);
}

// What a line includes, or "".
std::string_view Included(std::string_view line) {
  line = SkipSpaces(line);
  if (!line.starts_with('#')) return "";
  line = SkipSpaces(line.substr(1));
  if (!line.starts_with("include")) return "";
  line = SkipSpaces(line.substr(7));
  if (!line.starts_with('"') && !line.starts_with('<')) return "";
  const size_t end = line.find(line[0] == '"' ? '"' : '>', 1);
  return end == std::string_view::npos ? "" : line.substr(1, end - 1);
}

std::string LayerFault(const std::string& path, std::string_view included) {
  if (!IsInAny(included, kProject)) return "";
  for (const auto& [folder, below] : Below()) {
    if (!IsIn(path, folder)) continue;
    if (IsIn(included, folder) || IsInAny(included, below)) return "";
    return absl::StrCat(folder, " may not include ", std::string(included));
  }
  return "";
}

std::string TorchFault(const std::string& path, std::string_view included) {
  if (!IsInAny(included, kTorch)) return "";
  if (IsInAny(path, kWithoutTorch)) return "this folder is free of LibTorch";
  if (!path.ends_with(".h") || included == kTensorHeader) return "";
  return absl::StrCat("a header may include no LibTorch but ", kTensorHeader);
}

}  // namespace

std::vector<std::string> IncludeFaults(const std::string& path,
                                       std::string_view source) {
  std::vector<std::string> faults;
  for (int line = 1; !source.empty(); ++line) {
    const size_t end = std::min(source.find('\n'), source.size());
    const std::string_view included = Included(source.substr(0, end));
    source.remove_prefix(std::min(end + 1, source.size()));
    for (const std::string& reason :
         {LayerFault(path, included), TorchFault(path, included)}) {
      if (reason.empty()) continue;
      faults.push_back(absl::StrCat(path, ":", line, ": ", reason));
    }
  }
  return faults;
}

}  // namespace operant
