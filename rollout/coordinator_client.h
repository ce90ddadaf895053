// The worker's calls to the coordinator, each with a deadline.
#ifndef OPERANT_ROLLOUT_COORDINATOR_CLIENT_H_
#define OPERANT_ROLLOUT_COORDINATOR_CLIENT_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "operant/v1/coordinator.grpc.pb.h"

namespace operant::rollout {

// Errors are those of coordinator.proto, or Unavailable and DeadlineExceeded.
// Thread-safe.
class CoordinatorClient {
 public:
  explicit CoordinatorClient(const std::shared_ptr<grpc::Channel>& channel);

  absl::StatusOr<v1::RegisterResponse> Register(
      const v1::RegisterRequest& request, absl::Duration timeout);
  absl::StatusOr<v1::HeartbeatResponse> Heartbeat(
      const v1::HeartbeatRequest& request, absl::Duration timeout);
  absl::Status Leave(const v1::LeaveRequest& request, absl::Duration timeout);

 private:
  std::unique_ptr<v1::CoordinatorService::StubInterface> stub_;
};

}  // namespace operant::rollout

#endif  // OPERANT_ROLLOUT_COORDINATOR_CLIENT_H_
