// One open Generate call: takes finished trajectories from the engine's thread
// and writes them to the client, one at a time.
#ifndef OPERANT_ROLLOUT_GENERATE_STREAM_H_
#define OPERANT_ROLLOUT_GENERATE_STREAM_H_

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/support/server_callback.h"
#include "operant/v1/rollout.pb.h"
#include "rollout/generation_engine.h"

namespace operant::rollout {

// Lives as long as the call and as long as the engine owes it a callback:
// gRPC's hold is `self_`, the engine's are the callbacks' shared pointers. What
// waits to be written is bounded by the samples of the request, which the
// engine's queue admitted.
class GenerateStream final
    : public grpc::ServerWriteReactor<v1::GenerateResponse>,
      public std::enable_shared_from_this<GenerateStream> {
 public:
  // Submits `samples` to `engine` (not owned; outlives the call) and returns
  // the reactor of the call. A refused submission ends the call with its error.
  static GenerateStream* Start(GenerationEngine* engine,
                               std::vector<SampleRequest> samples);
  // The reactor of a call that ends with `error` at once.
  static GenerateStream* Refuse(const absl::Status& error);

  explicit GenerateStream(GenerationEngine* engine) : engine_(engine) {}

 private:
  void Submit(std::vector<SampleRequest> samples);
  void OnTrajectory(v1::Trajectory trajectory);  // engine's thread
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  // Ends the call with `error` and the engine's work for it.
  void Abort(const absl::Status& error);
  // What to do next, claimed for the calling thread: at most one write is in
  // flight, and the call ends once.
  enum class Action { kNone, kWrite, kFinish };
  Action NextAction();
  void Advance();
  absl::Status status();

  GenerationEngine* const engine_;
  std::shared_ptr<GenerateStream> self_;     // until OnDone
  std::vector<std::string> trajectory_ids_;  // constant after Submit
  v1::GenerateResponse response_;            // of the write in flight

  absl::Mutex mu_;
  std::deque<v1::Trajectory> ready_ ABSL_GUARDED_BY(mu_);
  size_t unwritten_ ABSL_GUARDED_BY(mu_) = 0;  // samples not yet written
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);  // not OK: the call is to end
};

}  // namespace operant::rollout

#endif  // OPERANT_ROLLOUT_GENERATE_STREAM_H_
