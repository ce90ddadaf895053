// Serves full responses to the learner (proto/operant/v1/rollout.proto) and
// drains the worker.
#ifndef OPERANT_ROLLOUT_ROLLOUT_SERVICE_H_
#define OPERANT_ROLLOUT_ROLLOUT_SERVICE_H_

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "operant/v1/rollout.grpc.pb.h"
#include "rollout/generation_engine.h"

namespace operant::rollout {

// Thread-safe. Serves from the moment it is made; before Serve() calls are
// answered UNAVAILABLE (the worker is starting).
class RolloutService final : public v1::RolloutService::CallbackService {
 public:
  struct Drained {
    int finished = 0;
    int aborted = 0;
  };

  explicit RolloutService(std::string worker_id)
      : worker_id_(std::move(worker_id)) {}
  ~RolloutService() override;  // waits for a drain that has begun

  // `engine` is not owned and must outlive the server and this service.
  void Serve(GenerationEngine* engine);

  // Refuses new Generate calls from now on, gives what is in flight `grace` to
  // finish, aborts the rest, then calls `done` from a thread of its own. Only
  // the first call's grace counts; every call's `done` is called once.
  void StartDrain(absl::Duration grace, std::function<void(Drained)> done);
  bool draining() const;
  // Waits until the drain is complete. False at the deadline.
  bool WaitDrained(absl::Time deadline);

  grpc::ServerWriteReactor<v1::GenerateResponse>* Generate(
      grpc::CallbackServerContext* context,
      const v1::GenerateRequest* request) override;
  grpc::ServerUnaryReactor* Cancel(grpc::CallbackServerContext* context,
                                   const v1::CancelRequest* request,
                                   v1::CancelResponse* response) override;
  grpc::ServerUnaryReactor* GetStatus(
      grpc::CallbackServerContext* context,
      const v1::GetRolloutStatusRequest* request,
      v1::GetRolloutStatusResponse* response) override;
  grpc::ServerUnaryReactor* Drain(grpc::CallbackServerContext* context,
                                  const v1::DrainRequest* request,
                                  v1::DrainResponse* response) override;

 private:
  // Counts a call in, so that a drain begins only after its samples reached
  // the engine. Unavailable while starting or draining.
  absl::StatusOr<GenerationEngine*> Admit();
  void Admitted();
  GenerationEngine* engine() const;
  void RunDrain(absl::Duration grace);
  Drained DrainEngine(absl::Duration grace);

  const std::string worker_id_;
  mutable absl::Mutex mu_;
  GenerationEngine* engine_ ABSL_GUARDED_BY(mu_) = nullptr;
  int admitting_ ABSL_GUARDED_BY(mu_) = 0;
  bool draining_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<Drained> drained_ ABSL_GUARDED_BY(mu_);
  std::vector<std::function<void(Drained)>> waiters_ ABSL_GUARDED_BY(mu_);
  std::thread drain_thread_ ABSL_GUARDED_BY(mu_);
};

}  // namespace operant::rollout

#endif  // OPERANT_ROLLOUT_ROLLOUT_SERVICE_H_
