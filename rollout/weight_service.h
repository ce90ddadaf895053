// The worker's side of a weight push (proto/operant/v1/weights.proto).
#ifndef OPERANT_ROLLOUT_WEIGHT_SERVICE_H_
#define OPERANT_ROLLOUT_WEIGHT_SERVICE_H_

#include <atomic>

#include "operant/v1/weights.grpc.pb.h"
#include "rollout/weight_loader.h"

namespace operant::rollout {

// Serves from the moment it is made; before Serve() every call is answered
// UNAVAILABLE (the worker is starting). Frames are taken as raw buffers.
class WeightService final
    : public v1::WeightService::WithRawCallbackMethod_Push<
          v1::WeightService::WithCallbackMethod_GetStatus<
              v1::WeightService::Service>> {
 public:
  // `loader` is not owned and must outlive the server.
  void Serve(WeightLoader* loader) { loader_ = loader; }

  grpc::ServerReadReactor<grpc::ByteBuffer>* Push(
      grpc::CallbackServerContext* context,
      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetStatus(
      grpc::CallbackServerContext* context,
      const v1::GetWeightStatusRequest* request,
      v1::GetWeightStatusResponse* response) override;

 private:
  std::atomic<WeightLoader*> loader_ = nullptr;
};

}  // namespace operant::rollout

#endif  // OPERANT_ROLLOUT_WEIGHT_SERVICE_H_
