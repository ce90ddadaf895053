// Weight streams over gRPC, both ways: Push (learner to worker) and Fetch (a
// worker asks the learner). Frames travel as raw byte buffers, so that payloads
// are never copied through a protobuf message.
#ifndef OPERANT_COMMON_NN_WEIGHT_RPC_H_
#define OPERANT_COMMON_NN_WEIGHT_RPC_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/nn/weight_stream.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "operant/v1/weights.grpc.pb.h"
#include "operant/v1/weights.pb.h"

namespace operant {

// Pushes `weights` to the WeightService behind `channel` and returns at once.
// `done` is called exactly once, from a gRPC thread, with the worker's answer
// or the error (the codes of weights.proto, or Unavailable, DeadlineExceeded);
// it must not block. `context` is fresh, with a deadline; its TryCancel ends
// the push from another thread.
void StartPush(std::shared_ptr<grpc::Channel> channel,
               std::shared_ptr<const SealedWeights> weights,
               std::shared_ptr<grpc::ClientContext> context,
               std::function<void(absl::StatusOr<v1::PushResponse>)> done);

// StartPush, waiting for the answer.
absl::StatusOr<v1::PushResponse> PushWeights(
    std::shared_ptr<grpc::Channel> channel,
    std::shared_ptr<const SealedWeights> weights, absl::Time deadline);

// Fetches the newest version from the WeightSourceService behind `channel`,
// handing every frame to `sink` (from gRPC threads, one at a time); an error of
// the sink cancels the call and is returned. OK: the stream ended cleanly.
// `context` is fresh, with a deadline (set it: this call waits for its end);
// its TryCancel ends the wait from another thread.
absl::Status FetchWeights(
    std::shared_ptr<grpc::Channel> channel, const v1::FetchRequest& request,
    grpc::ClientContext& context,
    const std::function<absl::Status(const grpc::ByteBuffer&)>& sink);

// The learner's side of Fetch.
class WeightSource
    : public v1::WeightSourceService::WithRawCallbackMethod_Fetch<
          v1::WeightSourceService::Service> {
 public:
  // What to stream for a request: the newest version, or the error of
  // weights.proto. Called from gRPC threads; must not block.
  using Newest =
      std::function<absl::StatusOr<std::shared_ptr<const SealedWeights>>(
          const v1::FetchRequest& request)>;

  explicit WeightSource(Newest newest) : newest_(std::move(newest)) {}

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Fetch(
      grpc::CallbackServerContext* context,
      const grpc::ByteBuffer* request) override;

 private:
  Newest newest_;
};

}  // namespace operant

#endif  // OPERANT_COMMON_NN_WEIGHT_RPC_H_
