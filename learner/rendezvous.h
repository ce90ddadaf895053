// Where ranks find each other before they have connections: small values under
// names, held by whoever every rank can reach.
#ifndef OPERANT_LEARNER_RENDEZVOUS_H_
#define OPERANT_LEARNER_RENDEZVOUS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace operant::learner {

// Thread-safe. Keys and values are any bytes; a value is at most a few KiB.
class Rendezvous {
 public:
  virtual ~Rendezvous() = default;

  // A later value replaces an earlier one.
  virtual absl::Status Set(const std::string& key,
                           const std::string& value) = 0;

  // The value, waiting for somebody to set it: DeadlineExceeded at `deadline`
  // (names the key), Unavailable if the holder is gone. A deadline that has
  // passed (MonotonicNow()) asks once, without waiting.
  virtual absl::StatusOr<std::string> Get(const std::string& key,
                                          absl::Time deadline) = 0;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_RENDEZVOUS_H_
