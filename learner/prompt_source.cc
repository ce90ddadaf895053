#include "learner/prompt_source.h"

#include <numeric>
#include <utility>

#include "common/base/philox.h"

namespace operant::learner {
namespace {

// Philox stream of the prompt order; one stream per epoch follows it.
constexpr uint64_t kPromptOrderStream = uint64_t{1} << 32;

}  // namespace

PromptSource::PromptSource(std::vector<PromptRow> rows, uint64_t seed,
                           bool keep_order)
    : rows_(std::move(rows)), seed_(seed), keep_order_(keep_order) {
  order_.resize(rows_.size());
}

// Fisher-Yates with the epoch's own random stream.
void PromptSource::Permute(uint64_t epoch) {
  std::iota(order_.begin(), order_.end(), 0u);
  epoch_ = epoch;
  if (keep_order_) return;
  for (size_t i = order_.size(); i > 1; --i) {
    const uint64_t draw = PhiloxUint64(seed_, kPromptOrderStream + epoch, i);
    std::swap(order_[i - 1], order_[draw % i]);
  }
}

const PromptRow& PromptSource::At(uint64_t cursor) {
  const uint64_t epoch = cursor / rows_.size();
  if (epoch != epoch_) Permute(epoch);
  return rows_[order_[cursor % rows_.size()]];
}

}  // namespace operant::learner
