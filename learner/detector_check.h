// How often the reward servers call a real response haywire: the share of
// errors that every measured rate contains.
#ifndef OPERANT_LEARNER_DETECTOR_CHECK_H_
#define OPERANT_LEARNER_DETECTOR_CHECK_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/reward_client/gateway.h"
#include "common/text/prompt_dataset.h"

namespace operant::learner {

// Scores the written responses of `rows` as if a policy had given them and
// stopped, and returns the share with a fault. Errors: those of scoring;
// InvalidArgument without rows.
absl::StatusOr<double> DetectorFalsePositiveRate(
    const std::vector<PromptRow>& rows, RewardGateway* rewards);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_DETECTOR_CHECK_H_
