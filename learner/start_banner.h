// What a run says before it starts: what will be trained on what, with which
// servers, and the batch arithmetic, once.
#ifndef OPERANT_LEARNER_START_BANNER_H_
#define OPERANT_LEARNER_START_BANNER_H_

#include <string>
#include <vector>

#include "learner/learner_inputs.h"
#include "operant/v1/config.pb.h"
#include "operant/v1/reward.pb.h"

namespace operant::learner {

// A few lines, ending with an empty one. `step` > 0: a resumed run.
std::string StartBanner(const v1::RunConfig& config,
                        const LearnerInputs& inputs,
                        const std::vector<v1::GetInfoResponse>& rewards,
                        const std::string& run_path, uint64_t step);

// "256 prompts x 4 = 1,024 responses a step -> 1 minibatch x 1,024 ..."
std::string BatchArithmetic(const v1::RunConfig& config);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_START_BANNER_H_
