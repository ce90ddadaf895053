// A GenerateRequest from the wire, checked and taken apart for the engine.
#ifndef OPERANT_ROLLOUT_GENERATE_REQUEST_H_
#define OPERANT_ROLLOUT_GENERATE_REQUEST_H_

#include <vector>

#include "absl/status/statusor.h"
#include "operant/v1/rollout.pb.h"
#include "rollout/generation_engine.h"

namespace operant::rollout {

// One SampleRequest per sample, without callbacks, in the request's order.
// InvalidArgument (no prompt, no sample, ids and indices of different length,
// an index repeated in a group, an id empty or repeated). What depends on the
// model (token ids, lengths, sampling ranges) is left to the engine's Submit.
absl::StatusOr<std::vector<SampleRequest>> ParseGenerateRequest(
    const v1::GenerateRequest& request);

}  // namespace operant::rollout

#endif  // OPERANT_ROLLOUT_GENERATE_REQUEST_H_
