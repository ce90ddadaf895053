#include "reward/loop.h"

#include <array>
#include <cstddef>

#include "absl/container/flat_hash_map.h"

namespace operant::reward {
namespace {

constexpr size_t kShortBlock = 2;  // up to here three in a row make a loop
constexpr size_t kLongBlock = 8;   // up to here two do
constexpr size_t kRun = 4;         // words of the run that may not come back
constexpr int kRunLimit = 3;

// Equal words get equal numbers: comparing and hashing become cheap.
std::vector<int> Number(const std::vector<std::string_view>& words) {
  absl::flat_hash_map<std::string_view, int> numbers;
  std::vector<int> ids;
  ids.reserve(words.size());
  for (std::string_view word : words) {
    ids.push_back(numbers.try_emplace(word, numbers.size()).first->second);
  }
  return ids;
}

// A block of `size` comes `times` in a row exactly where ids[i] equals
// ids[i - size] for size * (times - 1) consecutive i.
bool RepeatsInARow(const std::vector<int>& ids, size_t size, size_t times) {
  size_t equal = 0;
  for (size_t i = size; i < ids.size(); ++i) {
    equal = ids[i] == ids[i - size] ? equal + 1 : 0;
    if (equal == size * (times - 1)) return true;
  }
  return false;
}

bool RunComesBack(const std::vector<int>& ids) {
  absl::flat_hash_map<std::array<int, kRun>, int> seen;
  for (size_t i = 0; i + kRun <= ids.size(); ++i) {
    const std::array<int, kRun> run = {ids[i], ids[i + 1], ids[i + 2],
                                       ids[i + 3]};
    if (++seen[run] == kRunLimit) return true;
  }
  return false;
}

}  // namespace

bool HasLoop(const std::vector<std::string_view>& words) {
  const std::vector<int> ids = Number(words);
  for (size_t size = 1; size <= kLongBlock; ++size) {
    if (RepeatsInARow(ids, size, size <= kShortBlock ? 3 : 2)) return true;
  }
  return RunComesBack(ids);
}

}  // namespace operant::reward
