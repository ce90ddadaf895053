#include "learner/collective_call.h"

#include "absl/strings/str_cat.h"

namespace operant::learner {
namespace {

bool CanReduce(at::ScalarType type) {
  return type == at::kFloat || type == at::kDouble || type == at::kLong;
}

bool HasEqualParts(Operation operation) {
  return operation == Operation::kReduceScatter ||
         operation == Operation::kAllGather;
}

// Why the call cannot be, or nothing.
std::string Misuse(const CollectiveCall& call, int size,
                   c10::DeviceType device) {
  if (call.data.device().type() != device) {
    return absl::StrCat("the tensor is on ", call.data.device().str(),
                        ", expected ", c10::DeviceTypeName(device, true));
  }
  if (!call.data.is_contiguous()) return "the tensor is not contiguous";
  if (call.reduces() && !CanReduce(call.data.scalar_type())) {
    return absl::StrCat("the tensor is of type ",
                        c10::toString(call.data.scalar_type()),
                        ", which cannot be reduced");
  }
  if (HasEqualParts(call.operation) && call.elements() % size != 0) {
    return absl::StrCat("the tensor has ", call.elements(),
                        " elements, not a multiple of ", size);
  }
  if (call.root < 0 || call.root >= size)
    return absl::StrCat("root=", call.root, ", expected 0..", size - 1);
  return "";
}

}  // namespace

int64_t CollectiveCall::bytes() const {
  return data.defined() ? static_cast<int64_t>(data.nbytes()) : 0;
}

const char* OperationName(Operation operation) {
  switch (operation) {
    case Operation::kAllReduce:
      return "all-reduce";
    case Operation::kReduceScatter:
      return "reduce-scatter";
    case Operation::kAllGather:
      return "all-gather";
    case Operation::kBroadcast:
      return "broadcast";
    case Operation::kBarrier:
      break;
  }
  return "barrier";
}

absl::Status CheckCall(const CollectiveCall& call, int size,
                       c10::DeviceType device) {
  if (call.operation == Operation::kBarrier) return absl::OkStatus();
  const std::string misuse = Misuse(call, size, device);
  if (misuse.empty()) return absl::OkStatus();
  return absl::InternalError(misuse);
}

absl::Status CallError(const CollectiveCall& call, int rank, int size,
                       const absl::Status& why) {
  return absl::Status(
      why.code(),
      absl::StrCat("rank ", rank, " of ", size, ", ",
                   OperationName(call.operation), " ", call.number, " (",
                   call.what, ", ", call.bytes(), " bytes): ", why.message()));
}

void CountSent(const CollectiveCall& call, int64_t bytes, WireBytes& sent) {
  switch (call.operation) {
    case Operation::kAllReduce:
      sent.all_reduce += bytes;
      break;
    case Operation::kReduceScatter:
      sent.reduce_scatter += bytes;
      break;
    case Operation::kAllGather:
      sent.all_gather += bytes;
      break;
    case Operation::kBroadcast:
      sent.broadcast += bytes;
      break;
    case Operation::kBarrier:
      break;
  }
}

}  // namespace operant::learner
