// The calls of one reward server as bytes on a channel: deadlines, the bearer
// token, and limits on what comes back.
#ifndef OPERANT_COMMON_REWARD_CLIENT_REWARD_STUB_H_
#define OPERANT_COMMON_REWARD_CLIENT_REWARD_STUB_H_

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/credentials.h"
#include "common/base/metrics.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "operant/v1/reward.grpc.pb.h"

namespace operant {

// Thread-safe.
class RewardStub {
 public:
  // `token_file` may be empty; `metrics` counts the calls.
  RewardStub(const std::string& address, const std::string& token_file,
             ChannelCredentials credentials = {},
             MetricRegistry* metrics = nullptr);

  // Reads the token file again. FailedPrecondition (it cannot be read, or holds
  // no token), naming reward.endpoints.token_file. Does nothing without one.
  absl::Status ReadToken();

  // False if the next call must connect first: whoever answers it may be
  // another than the one that was greeted.
  bool connected() const;

  absl::StatusOr<v1::GetInfoResponse> GetInfo(const v1::GetInfoRequest& request,
                                              absl::Duration deadline);

  // One Score call. Errors: the server's; DeadlineExceeded; DataLoss (an answer
  // over 4 MiB, or ParseAnswer's).
  absl::StatusOr<v1::ScoreResponse> Score(const v1::ScoreRequest& request,
                                          size_t response_tokens,
                                          absl::Duration deadline);

 private:
  void Prepare(grpc::ClientContext& context, absl::Duration deadline);

  const std::string token_file_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::RewardService::StubInterface> stub_;
  // Answers stay bytes until they were looked at.
  grpc::GenericStub bytes_stub_;

  absl::Mutex mu_;
  std::string token_ ABSL_GUARDED_BY(mu_);
};

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_REWARD_STUB_H_
