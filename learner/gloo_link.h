// The connections of one rank to the others, over c10d's Gloo: bytes to and
// from a peer, with deadlines. What is sent is nobody's business here.
#ifndef OPERANT_LEARNER_GLOO_LINK_H_
#define OPERANT_LEARNER_GLOO_LINK_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "learner/collective.h"

namespace operant::learner {

// Used by one thread, but for Interrupt(). After an error it is of no use.
class GlooLink {
 public:
  // Connects to every other rank. Errors: those of CreateGlooCollective.
  static absl::StatusOr<std::unique_ptr<GlooLink>> Connect(
      const CollectiveOptions& options);
  virtual ~GlooLink() = default;  // closes

  struct Side {
    int peer = 0;
    void* data = nullptr;  // read or written until Swap returns
    int64_t bytes = 0;     // 0: nothing goes this way
  };
  // Sends and receives at the same time. Errors: DeadlineExceeded, Aborted
  // (the connection broke, or Interrupt).
  virtual absl::Status Swap(const Side& send, const Side& receive,
                            absl::Time deadline) = 0;

  // Closes the connections, which peers notice at once. Not during a Swap.
  virtual void Close() = 0;
  // Ends a Swap that runs, and all later ones. Thread-safe.
  virtual void Interrupt() = 0;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_GLOO_LINK_H_
