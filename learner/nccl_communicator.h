// A communicator of NCCL that never blocks its caller and is never used again
// after an error. Compiled by the cuda preset alone.
#ifndef OPERANT_LEARNER_NCCL_COMMUNICATOR_H_
#define OPERANT_LEARNER_NCCL_COMMUNICATOR_H_

#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "learner/collective.h"
#include "nccl.h"

namespace operant::learner {

// "why: NCCL's text".
std::string NcclText(const std::string& why, ncclResult_t result,
                     ncclComm_t comm);

// Asks again and again, with short sleeps, until `is_done` says so or fails.
absl::Status Poll(absl::FunctionRef<absl::StatusOr<bool>()> is_done);

// Used by one thread at a time, on one device.
class NcclCommunicator {
 public:
  // Meets the other ranks. The device is the calling thread's current one.
  // Errors: those of CreateNcclCollective.
  static absl::StatusOr<std::unique_ptr<NcclCommunicator>> Create(
      const CollectiveOptions& options);
  // Of a communicator in order: waits at most `timeout` for the peers, then
  // aborts.
  ~NcclCommunicator();
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;

  // Puts an exchange on a stream. A communicator that does not block does that
  // in its own time; `look` is asked meanwhile whether to go on waiting.
  absl::Status Launch(absl::FunctionRef<ncclResult_t(ncclComm_t)> launch,
                      absl::FunctionRef<absl::Status()> look);

  // Aborted, with NCCL's text, once something went wrong.
  absl::Status AsyncError() const;

  // Ends what runs on the device. Afterwards every call fails.
  void Abort();

 private:
  explicit NcclCommunicator(absl::Duration timeout) : timeout_(timeout) {}
  absl::Status Start(const CollectiveOptions& options);
  absl::StatusOr<bool> IsSettled() const;

  const absl::Duration timeout_;
  ncclComm_t comm_ = nullptr;  // null: none, or aborted
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_NCCL_COMMUNICATOR_H_
