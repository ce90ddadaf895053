// absl::Status <-> grpc::Status, converted here and nowhere else.
#ifndef OPERANT_COMMON_BASE_GRPC_STATUS_H_
#define OPERANT_COMMON_BASE_GRPC_STATUS_H_

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace operant {

// The codes are equal by number. The message is cut to 1 KiB, at a character's
// boundary, since it travels as an HTTP/2 trailer.
grpc::Status ToGrpcStatus(const absl::Status& status);
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_GRPC_STATUS_H_
