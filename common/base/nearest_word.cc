#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "common/base/config.h"

namespace operant {
namespace {

constexpr size_t kMaxDistance = 3;

// Levenshtein's distance: insertions, deletions and replacements.
size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);  // distances of a[0..i) to b[0..j)
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

bool LengthsAreNear(const std::string& a, const std::string& b) {
  return std::max(a.size(), b.size()) - std::min(a.size(), b.size()) <=
         kMaxDistance;
}

}  // namespace

std::string NearestWord(const std::string& word,
                        const std::vector<std::string>& known) {
  std::string nearest;
  // A word of which nothing is left is no misspelling.
  size_t least = std::min(kMaxDistance + 1, word.size());
  for (const std::string& candidate : known) {
    if (!LengthsAreNear(word, candidate)) continue;
    const size_t distance = EditDistance(word, candidate);
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace operant
