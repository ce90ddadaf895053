// One exchange as a transport sees it: what was asked for, whether it can be,
// and what is said of it when it fails.
#ifndef OPERANT_LEARNER_COLLECTIVE_CALL_H_
#define OPERANT_LEARNER_COLLECTIVE_CALL_H_

#include <cstdint>
#include <memory>
#include <string>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "learner/collective.h"

namespace operant::learner {

enum class Operation {
  kAllReduce,
  kReduceScatter,
  kAllGather,
  kBroadcast,
  kBarrier
};

struct CollectiveCall {
  Operation operation = Operation::kBarrier;
  std::string what;
  int64_t number = 0;  // from 1
  at::Tensor data;     // keeps the memory; undefined for a barrier
  Reduction reduction = Reduction::kSum;
  int root = 0;                 // of a broadcast
  std::shared_ptr<void> ready;  // Transport::Mark's

  int64_t elements() const { return data.defined() ? data.numel() : 0; }
  int64_t bytes() const;
  bool reduces() const {
    return operation == Operation::kAllReduce ||
           operation == Operation::kReduceScatter;
  }
};

// "all-reduce" and so on.
const char* OperationName(Operation operation);

// Internal, if the tensor does not fit the call; the same on all ranks, since
// all make the same calls.
absl::Status CheckCall(const CollectiveCall& call, int size,
                       c10::DeviceType device);

// `why` with "rank 0 of 4, all-reduce 2 (gradients, 4096 bytes): " before it.
absl::Status CallError(const CollectiveCall& call, int rank, int size,
                       const absl::Status& why);

// Adds `bytes` to the count of the call's kind; a barrier's are not counted.
void CountSent(const CollectiveCall& call, int64_t bytes, WireBytes& sent);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_COLLECTIVE_CALL_H_
