// Cuts a step's responses into optimiser steps and those into passes that fit
// in memory, and divides them among ranks. Pure.
#ifndef OPERANT_LEARNER_MICROBATCH_H_
#define OPERANT_LEARNER_MICROBATCH_H_

#include <cstdint>
#include <span>
#include <vector>

namespace operant::learner {

// Rows 0 .. rows-1 in an order that depends on the key alone, cut into pieces
// of `minibatch_samples` (0: one piece); the last may be shorter.
struct ShuffleKey {
  uint64_t seed = 0;
  uint64_t step = 0;
  uint32_t epoch = 0;
};
std::vector<std::vector<int64_t>> ShuffledMinibatches(int64_t rows,
                                                      int64_t minibatch_samples,
                                                      const ShuffleKey& key);

// Packs `rows` into passes: a pass costs its row count times its longest row,
// padding included, at most `token_budget` (a longer row goes alone). Rows are
// sorted by length, so little of that is padding; which pass a row falls into
// changes no gradient. `lengths` is indexed by row.
std::vector<std::vector<int64_t>> PackMicrobatches(
    std::vector<int64_t> rows, std::span<const int64_t> lengths,
    int64_t token_budget);

// Divides `rows` among `shares` ranks so that their tokens (`lengths`, indexed
// by row) differ little: the longest first, each to the share with the fewest.
// Every row is in one share; shares may be empty where there are fewer rows.
std::vector<std::vector<int64_t>> BalancedShares(
    std::vector<int64_t> rows, std::span<const int64_t> lengths, int shares);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_MICROBATCH_H_
