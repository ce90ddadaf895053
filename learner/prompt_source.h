// Which prompt comes next: a pure function of the cursor, so that a resumed run
// goes on exactly where it stopped and any prompt can be named by its number.
#ifndef OPERANT_LEARNER_PROMPT_SOURCE_H_
#define OPERANT_LEARNER_PROMPT_SOURCE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/text/prompt_dataset.h"

namespace operant::learner {

// Immutable and thread-safe, apart from a cached permutation: one thread.
class PromptSource {
 public:
  // Visits every row once per epoch, in a new seeded order each epoch, or in
  // the file's order if `keep_order`. REQUIRES: rows not empty.
  PromptSource(std::vector<PromptRow> rows, uint64_t seed, bool keep_order);

  // The row at `cursor`, counted from 0 over all epochs.
  const PromptRow& At(uint64_t cursor);
  size_t size() const { return rows_.size(); }
  const std::vector<PromptRow>& rows() const { return rows_; }

 private:
  void Permute(uint64_t epoch);

  std::vector<PromptRow> rows_;
  uint64_t seed_;
  bool keep_order_;
  uint64_t epoch_ = ~uint64_t{0};
  std::vector<uint32_t> order_;  // of epoch_
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_PROMPT_SOURCE_H_
