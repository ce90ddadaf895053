// Checks and division of work that every engine shares.
#ifndef OPERANT_COMMON_NN_INFERENCE_BATCH_H_
#define OPERANT_COMMON_NN_INFERENCE_BATCH_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "common/nn/inference_model.h"

namespace operant {

// Limits of an engine.
struct EngineLimits {
  int64_t vocab_size = 0;
  int64_t slots = 0;
  int64_t max_positions = 0;  // per slot
};

EngineLimits LimitsOf(const ModelConfig& config,
                      const InferenceModel::Options& options);

// InvalidArgument names the entry: slot out of range or used twice, no token, a
// token outside the vocabulary, positions beyond the limit, `logits` of another
// size than entries x V.
absl::Status CheckForward(const EngineLimits& limits,
                          std::span<const SlotTokens> batch,
                          size_t logits_size);

// InvalidArgument names the sequence: first_scored below 1, a token outside the
// vocabulary, longer than the model's context; or the temperature.
absl::Status CheckScore(const ModelConfig& config,
                        std::span<const SequenceTokens> sequences,
                        float temperature);

// How many positions of a sequence are scored.
size_t ScoredPositions(const SequenceTokens& sequence);

// Cuts items of the given sizes into `parts` consecutive ranges of about equal
// total size: `parts` + 1 bounds, from 0 to the number of items.
std::vector<size_t> SplitEvenly(std::span<const int64_t> sizes, int parts);

}  // namespace operant

#endif  // OPERANT_COMMON_NN_INFERENCE_BATCH_H_
