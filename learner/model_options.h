// How the configuration wants the training module to compute.
#ifndef OPERANT_LEARNER_MODEL_OPTIONS_H_
#define OPERANT_LEARNER_MODEL_OPTIONS_H_

#include "common/nn/causal_lm.h"
#include "operant/v1/config.pb.h"

namespace operant::learner {

// learner.dtype and learner.recompute, in PPO and in supervised training alike.
// `config` was validated.
CausalLm::Options ModelOptions(const v1::RunConfig& config, Device device);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_MODEL_OPTIONS_H_
