#include "learner/microbatch.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "common/base/philox.h"

namespace operant::learner {
namespace {

constexpr uint64_t kShuffleStream = 0x53485546;  // "SHUF"

// Fisher-Yates. The modulo's bias is below rows / 2^64.
std::vector<int64_t> Shuffled(int64_t rows, const ShuffleKey& key) {
  std::vector<int64_t> order(rows);
  std::iota(order.begin(), order.end(), 0);
  const uint64_t stream = (uint64_t{key.epoch} << 32) | kShuffleStream;
  const uint64_t seed = PhiloxUint64(key.seed, stream, key.step);
  for (int64_t i = rows - 1; i > 0; --i) {
    const uint64_t draw = PhiloxUint64(seed, kShuffleStream, i);
    std::swap(order[i], order[draw % static_cast<uint64_t>(i + 1)]);
  }
  return order;
}

void SortLongestFirst(std::vector<int64_t>& rows,
                      std::span<const int64_t> lengths) {
  std::ranges::stable_sort(rows, std::ranges::greater{},
                           [&](int64_t row) { return lengths[row]; });
}

}  // namespace

std::vector<std::vector<int64_t>> ShuffledMinibatches(int64_t rows,
                                                      int64_t minibatch_samples,
                                                      const ShuffleKey& key) {
  const std::vector<int64_t> order = Shuffled(rows, key);
  const int64_t size = minibatch_samples > 0 ? minibatch_samples : rows;
  std::vector<std::vector<int64_t>> minibatches;
  for (int64_t begin = 0; begin < rows; begin += size) {
    const int64_t end = std::min(begin + size, rows);
    minibatches.emplace_back(order.begin() + begin, order.begin() + end);
  }
  return minibatches;
}

std::vector<std::vector<int64_t>> PackMicrobatches(
    std::vector<int64_t> rows, std::span<const int64_t> lengths,
    int64_t token_budget) {
  SortLongestFirst(rows, lengths);
  std::vector<std::vector<int64_t>> passes;
  for (const int64_t row : rows) {
    // The first row of a pass is its longest.
    const bool fits = !passes.empty() &&
                      lengths[passes.back().front()] *
                              static_cast<int64_t>(passes.back().size() + 1) <=
                          token_budget;
    if (!fits) passes.emplace_back();
    passes.back().push_back(row);
  }
  return passes;
}

std::vector<std::vector<int64_t>> BalancedShares(
    std::vector<int64_t> rows, std::span<const int64_t> lengths, int shares) {
  SortLongestFirst(rows, lengths);
  std::vector<std::vector<int64_t>> divided(shares);
  std::vector<int64_t> tokens(shares, 0);
  for (const int64_t row : rows) {
    const auto least = std::ranges::min_element(tokens) - tokens.begin();
    divided[least].push_back(row);
    tokens[least] += lengths[row];
  }
  return divided;
}

}  // namespace operant::learner
