// A decoder small enough to differentiate by hand, and batches for it.
#ifndef OPERANT_TESTS_COMMON_NN_SMALL_CAUSAL_LM_H_
#define OPERANT_TESTS_COMMON_NN_SMALL_CAUSAL_LM_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "common/nn/causal_lm.h"
#include "common/nn/model_config.h"

namespace operant {

// Two layers, grouped queries, an odd head width, no biases, untied.
ModelConfig SmallModel();

std::unique_ptr<CausalLm> RandomModel(const ModelConfig& config,
                                      uint64_t seed = 1,
                                      const CausalLm::Options& options = {});

// Rows of token ids, right-padded with 0.
TokenBatch Batch(const std::vector<std::vector<int64_t>>& rows);

// `matrices` times larger than InitRandom's, so that every non-linearity
// counts.
void ScaleMatrices(CausalLm& model, double matrices);

}  // namespace operant

#endif  // OPERANT_TESTS_COMMON_NN_SMALL_CAUSAL_LM_H_
