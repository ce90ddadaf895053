// What Gloo and NCCL have in common: calls are queued, one thread runs them in
// order, the first error ends the group.
#ifndef OPERANT_LEARNER_QUEUED_COLLECTIVE_H_
#define OPERANT_LEARNER_QUEUED_COLLECTIVE_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "learner/collective.h"
#include "learner/collective_call.h"

namespace operant::learner {

// Performs one exchange after another, until one fails. Every call but Mark and
// Interrupt comes from the thread that runs the exchanges; the destructor comes
// after that thread has ended.
class Transport {
 public:
  virtual ~Transport() = default;

  // Of CheckCall.
  virtual c10::DeviceType device() const = 0;
  // On the caller's thread, as the call is made: what Perform has to wait for
  // before it may touch the tensor. Null: nothing.
  virtual std::shared_ptr<void> Mark() { return nullptr; }
  // The bytes that this rank sent. Ends by its own deadline. Errors: Aborted,
  // DeadlineExceeded, Internal; `call` is not named in them.
  virtual absl::StatusOr<int64_t> Perform(const CollectiveCall& call) = 0;
  // After an error. Nothing touches a tensor once it returned, and peers notice
  // at once.
  virtual void Close() = 0;
  // Ends a Perform that runs, and all later ones. Thread-safe.
  virtual void Interrupt() = 0;
};

std::unique_ptr<Collective> CreateQueuedCollective(
    const CollectiveOptions& options, std::unique_ptr<Transport> transport);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_QUEUED_COLLECTIVE_H_
