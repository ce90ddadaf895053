// AdamW over the gradients of all ranks: summed while the backward pass still
// runs, one decision for all, and the state on every rank or a share of it on
// each.
#ifndef OPERANT_LEARNER_SHARED_OPTIMIZER_H_
#define OPERANT_LEARNER_SHARED_OPTIMIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/nn/adamw.h"
#include "learner/collective.h"

namespace operant::learner {

// Every rank makes the same calls in the same order, each from the thread that
// the collective belongs to. Errors are the collective's; after one, nothing
// more is done with it. Tensor errors throw c10::Error (call inside
// CatchTorch).
class SharedOptimizer {
 public:
  enum class State {
    kWhole,   // learner.shard=none: sums by all-reduce
    kShared,  // learner.shard=optimizer (ZeRO-1): sums by reduce-scatter, then
              // an all-gather of the parameters
  };

  // `collective` is not owned and outlives it. The parameters must be the same
  // on all ranks (Broadcast).
  static std::unique_ptr<SharedOptimizer> Create(
      std::vector<ParameterGroup> groups, const AdamWOptions& options,
      State state, Collective* collective);
  virtual ~SharedOptimizer() = default;

  // One optimiser step is: ZeroGradients; backward passes, with
  // SumDuringBackward before this rank's last one (a rank without a pass skips
  // it); QueueSums, before any other exchange; then Step, or Skip.
  virtual void ZeroGradients() = 0;
  virtual void SumDuringBackward() = 0;
  virtual void QueueSums() = 0;
  // Clips by the global norm and updates. Where the norm is not finite, no rank
  // does (AdamWStep::applied).
  virtual absl::StatusOr<AdamWStep> Step(double learning_rate_scale) = 0;
  // Awaits the sums and drops them.
  virtual absl::Status Skip() = 0;

  // Parameters and state become rank 0's, on every rank.
  virtual absl::Status Broadcast() = 0;
  // Whether all ranks hold the same parameters, bit by bit: DataLoss names the
  // ranks that differ from rank 0.
  virtual absl::Status CompareParameters() = 0;

  // One file for any number of ranks (AdamW::Write). All ranks call Gather,
  // rank 0 then writes what it returns. Load is of one rank, before Broadcast.
  virtual absl::StatusOr<AdamWMoments> Gather() = 0;
  virtual absl::Status Write(const std::string& path,
                             const AdamWMoments& moments) const = 0;
  virtual absl::Status Load(const std::string& path) = 0;

  virtual const AdamW& adamw() const = 0;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_SHARED_OPTIMIZER_H_
