// What the ranks of one learner exchange tensors with: NCCL between GPUs, Gloo
// between CPUs, nothing at all for one rank.
//
// The contract, the same for all three:
//  - Order. Every rank makes the same calls with the same sizes and types, in
//    the same order, from one thread. Nothing else matches them up.
//  - Asynchronous until Wait. A call only queues the exchange; exchanges run
//    one after another, in the order of the calls, beside the caller's work.
//    Until Wait() of its handle returned, the tensor is neither read nor
//    written by the caller.
//  - Bits. Sums are taken in an order that depends on the number of ranks
//    alone: all ranks get the same bits, and so does every run of that many.
//  - Deadline. An exchange ends within CollectiveOptions::timeout of its
//    start, by an error if need be; what waits behind it starts after it.
//  - Errors. A peer that is gone or silent, or Abort(), fails the exchange that
//    runs and every later one at once. Then the group is dead for good: tensors
//    that were in an exchange hold anything, all others are untouched, only
//    status(), Abort() and the destructor may be called, and nothing of it is
//    used again. A new group meets under a new name.
#ifndef OPERANT_LEARNER_COLLECTIVE_H_
#define OPERANT_LEARNER_COLLECTIVE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "learner/rendezvous.h"

namespace operant::learner {

// Of every element, over the ranks. Integers, fp32 and fp64.
enum class Reduction { kSum, kMax };

// One exchange in flight. Destroying it waits.
class Exchange {
 public:
  virtual ~Exchange() = default;
  // OK, or what every later call will say, too: Aborted (a peer is gone, or
  // Abort() was called), DeadlineExceeded, Internal (misuse). Names this rank,
  // the operation, its number, the bytes and the peer that was waited for.
  virtual absl::Status Wait() = 0;
};

// What this rank sent to others, of tensors alone: not the transport's framing.
struct WireBytes {
  int64_t all_reduce = 0;      // 2 S (n-1)/n of a tensor of S bytes
  int64_t reduce_scatter = 0;  // S (n-1)/n
  int64_t all_gather = 0;      // S (n-1)/n
  int64_t broadcast = 0;       // S, but for the rank before the root: 0

  int64_t total() const {
    return all_reduce + reduce_scatter + all_gather + broadcast;
  }
};

// Called by one thread, but for Abort() and status(). Tensors are contiguous
// and on the group's device. `what` names the data in errors and traces: a
// literal or a short name, such as "gradients".
class Collective {
 public:
  virtual ~Collective() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Where tensors must be.
  virtual at::Device device() const = 0;

  // In place: all ranks' `data` becomes their sum or maximum.
  virtual std::unique_ptr<Exchange> AllReduce(at::Tensor data,
                                              Reduction reduction,
                                              const std::string& what) = 0;
  // In place, of a size divisible by size(): part rank() of size() equal parts
  // of `data` becomes the sum or maximum of all ranks' parts of that number;
  // the other parts hold anything.
  virtual std::unique_ptr<Exchange> ReduceScatter(at::Tensor data,
                                                  Reduction reduction,
                                                  const std::string& what) = 0;
  // In place, of a size divisible by size() and any type: every part r becomes
  // rank r's part r.
  virtual std::unique_ptr<Exchange> AllGather(at::Tensor data,
                                              const std::string& what) = 0;
  // In place, any type: `data` becomes root's.
  virtual std::unique_ptr<Exchange> Broadcast(at::Tensor data, int root,
                                              const std::string& what) = 0;
  // Returns once every rank called it.
  virtual absl::Status Barrier(const std::string& what) = 0;

  // Ends the group: running and queued exchanges fail with `cause`, at once
  // and on whatever thread waits for them. The first cause stays. Thread-safe.
  virtual void Abort(absl::Status cause) = 0;
  // OK while the group lives, else the first error. Thread-safe.
  virtual absl::Status status() const = 0;

  // Of exchanges that ended well.
  virtual WireBytes sent() const = 0;
  // Calls that were made so far; the number in errors counts from 1.
  virtual int64_t exchanges() const = 0;
};

// When an exchange ran, for traces and metrics: from its own thread.
struct ExchangeSpan {
  std::string operation;  // "all-reduce", ...
  std::string what;
  int64_t bytes = 0;  // of the tensor
  absl::Time begin, end;
  absl::Status status;
};

struct CollectiveOptions {
  int rank = 0;
  int size = 1;
  absl::Duration timeout = absl::Seconds(30);  // of one exchange
  // Where ranks meet, and for how long they wait for each other. Not owned;
  // used by Create alone.
  Rendezvous* rendezvous = nullptr;
  absl::Duration rendezvous_timeout = absl::Seconds(120);
  std::string group;  // a name that no earlier group of this run had
  // Gloo: the address of this machine that peers can dial. Never a wildcard:
  // the connections have neither encryption nor authentication.
  std::string host = "127.0.0.1";
  // Called from one thread, after each exchange. May be empty.
  std::function<void(const ExchangeSpan&)> observe;
};

// Meets the other ranks. Errors: DeadlineExceeded (names who is missing),
// AlreadyExists (two ranks have one number; every rank that waits says so),
// Unavailable (the rendezvous is gone, or a rank that came went away),
// FailedPrecondition (no such device or address), InvalidArgument (rank, size).
absl::StatusOr<std::unique_ptr<Collective>> CreateGlooCollective(
    const CollectiveOptions& options);
// Device memory only. Where this build has no NCCL, or the machine no GPU:
// FailedPrecondition.
absl::StatusOr<std::unique_ptr<Collective>> CreateNcclCollective(
    const CollectiveOptions& options);
// One rank: every exchange is done at once and nothing is sent.
std::unique_ptr<Collective> CreateNoCollective();

// By `learner.collective` ("auto", "nccl", "gloo" or "none"). "auto": none for
// one rank, else NCCL on GPUs and Gloo on CPUs. Errors: as above;
// FailedPrecondition for a name that does not fit `on_gpu` or the size.
absl::StatusOr<std::unique_ptr<Collective>> CreateCollective(
    const std::string& name, bool on_gpu, const CollectiveOptions& options);

// FailedPrecondition where CreateCollective would refuse the name, before
// anybody is met.
absl::Status CheckCollective(const std::string& name, bool on_gpu, int size);

// What CreateCollective makes of the name.
std::string CollectiveName(const std::string& name, bool on_gpu, int size);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_COLLECTIVE_H_
