// How much a reward server takes.
#ifndef OPERANT_COMMON_REWARD_CLIENT_LOAD_PROBE_H_
#define OPERANT_COMMON_REWARD_CLIENT_LOAD_PROBE_H_

#include "common/reward_client/conformance.h"
#include "common/reward_client/reward_stub.h"

namespace operant {

// Sends batches of `batch_items` for options.load_time, as many at once as
// `info` allows.
LoadRow ProbeLoad(const ConformanceOptions& options,
                  const v1::GetInfoResponse& info, int batch_items,
                  RewardStub& stub);

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_LOAD_PROBE_H_
