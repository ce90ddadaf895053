// How the connection to a reward server is secured: reward.endpoints.tls.
#ifndef OPERANT_COMMON_REWARD_CLIENT_ENDPOINT_CREDENTIALS_H_
#define OPERANT_COMMON_REWARD_CLIENT_ENDPOINT_CREDENTIALS_H_

#include "absl/status/statusor.h"
#include "common/base/credentials.h"
#include "operant/v1/config.pb.h"

namespace operant {

// Of a channel to `endpoint`, from a process that has `own`. Errors, naming the
// key: FailedPrecondition (tls "roles" without certificates; plaintext, which
// would carry prompts and the token, to anything but a loopback address);
// HostCredentials'.
absl::StatusOr<ChannelCredentials> EndpointCredentials(
    const v1::RewardEndpoint& endpoint, const Credentials& own);

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_ENDPOINT_CREDENTIALS_H_
