#include "rollout/coordinator_client.h"

#include "common/base/grpc_status.h"
#include "common/base/rpc.h"
#include "common/base/status_macros.h"

namespace operant::rollout {

CoordinatorClient::CoordinatorClient(
    const std::shared_ptr<grpc::Channel>& channel)
    : stub_(v1::CoordinatorService::NewStub(channel)) {}

absl::StatusOr<v1::RegisterResponse> CoordinatorClient::Register(
    const v1::RegisterRequest& request, absl::Duration timeout) {
  grpc::ClientContext context;
  SetDeadline(context, timeout);
  v1::RegisterResponse response;
  RETURN_IF_ERROR(
      FromGrpcStatus(stub_->Register(&context, request, &response)));
  return response;
}

absl::StatusOr<v1::HeartbeatResponse> CoordinatorClient::Heartbeat(
    const v1::HeartbeatRequest& request, absl::Duration timeout) {
  grpc::ClientContext context;
  SetDeadline(context, timeout);
  v1::HeartbeatResponse response;
  RETURN_IF_ERROR(
      FromGrpcStatus(stub_->Heartbeat(&context, request, &response)));
  return response;
}

absl::Status CoordinatorClient::Leave(const v1::LeaveRequest& request,
                                      absl::Duration timeout) {
  grpc::ClientContext context;
  SetDeadline(context, timeout);
  v1::LeaveResponse response;
  return FromGrpcStatus(stub_->Leave(&context, request, &response));
}

}  // namespace operant::rollout
