// The run's memory: RUN/ledger.sqlite, records of ledger.proto.
//
// Acknowledged means durable: a record's callback, and Flush, come only after
// the transaction that holds it was synced to the disk. Records of one ledger
// become durable in the order in which they were appended; many share one sync
// (group commit), so a busy ledger costs little more than a quiet one.
//
// Tables: epochs, leases, accepted, payloads, scored, manifests, steps,
// checkpoints, published. Rows that a resumed run writes again replace those of
// the epoch before: a run that was killed and resumed ends with the rows of one
// that was not. `epoch`, `lease_id` and the tables epochs and leases tell how
// it came about and may differ.
#ifndef OPERANT_LEARNER_LEDGER_H_
#define OPERANT_LEARNER_LEDGER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "operant/v1/ledger.pb.h"
#include "operant/v1/trajectory.pb.h"

namespace operant::learner {

// Thread-safe.
class Ledger {
 public:
  struct Options {
    std::string path;
    std::string run_id;
    std::string model_digest;  // of ModelDigest()
    // Steps in the checkpoint that the run goes on from; 0: from the start.
    // What the ledger says of later steps' updates is taken back.
    uint64_t resumed_step = 0;
    // Responses are kept after their step until a checkpoint holds it.
    bool keep_payloads_for_checkpoint = true;
    std::string vfs;  // SQLite's; empty: the system's
  };
  // Called on the ledger's thread; must not wait for the ledger.
  using Done = std::function<void(const absl::Status&)>;

  // Opens or creates. Its epoch is one more than any before; an older owner
  // that still runs finds its next commit refused. Errors: FailedPrecondition
  // (of another run or model, or made by a newer build), DataLoss (not a
  // ledger, damaged, or without a step that the checkpoint holds: names the
  // file and what to do), ResourceExhausted (disk
  // full), PermissionDenied. Nothing is changed on an error.
  static absl::StatusOr<std::unique_ptr<Ledger>> Open(const Options& options);
  // Makes durable what was appended.
  virtual ~Ledger() = default;

  virtual uint64_t epoch() const = 0;

  // Queues `record`; blocks while too many bytes wait. `done` gets OK once it
  // is durable. After a first error nothing is written any more and everything
  // gets that error: Aborted (another epoch owns the ledger), ResourceExhausted
  // (disk full), Internal (the record contradicts what is there: accepted or
  // committed twice in one epoch), DataLoss (the disk failed).
  virtual void Append(v1::LedgerRecord record, Done done = nullptr) = 0;
  // Waits until everything appended before is durable, or the error.
  virtual absl::Status Flush() = 0;

  // Responses of `step` that were accepted, in any epoch, and are still held.
  virtual absl::StatusOr<std::vector<v1::Trajectory>> Accepted(
      uint64_t step) = 0;
  // Digest of each published version, the newest `count`.
  virtual absl::StatusOr<std::map<uint64_t, std::string>> Published(
      uint64_t count) = 0;
  // Accepted responses that replaced a different one of an earlier epoch: the
  // run was resumed and did not reproduce it.
  virtual uint64_t replaced() const = 0;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_LEDGER_H_
