// Scores by the training module itself. In bf16 two implementations of one
// model differ by far more than a PPO step moves it: what a ratio compares has
// to come from one arithmetic.
#ifndef OPERANT_COMMON_NN_MODULE_SCORER_H_
#define OPERANT_COMMON_NN_MODULE_SCORER_H_

#include <cstdint>
#include <memory>

#include "common/nn/causal_lm.h"
#include "common/nn/inference_model.h"

namespace operant {

// An engine that only scores, with `module`'s weights as they are at the call,
// in passes of at most `pass_tokens` (padding included) or one sequence.
// `module` is not owned and outlives it. Everything but Score and config is
// Unimplemented, and CopySlot throws: it has no weights and no slots of its
// own.
std::unique_ptr<InferenceModel> CreateModuleScorer(CausalLm* module,
                                                   int64_t pass_tokens);

}  // namespace operant

#endif  // OPERANT_COMMON_NN_MODULE_SCORER_H_
