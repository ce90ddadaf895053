// NCCL, on a stream of its own. The thread that runs the exchanges is their
// watchdog, too: it alone touches the communicator, which never blocks it, so
// that it can look at NCCL's errors and at the clock while an exchange runs,
// and abort. NCCL chooses its algorithm by the machines' topology: equal bits
// hold for equal machines.
#include <atomic>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "c10/cuda/CUDAStream.h"
#include "common/base/monotonic_clock.h"
#include "common/base/status_macros.h"
#include "cuda_runtime_api.h"
#include "learner/collective.h"
#include "learner/nan_order.h"
#include "learner/nccl_communicator.h"
#include "learner/queued_collective.h"
#include "nccl.h"

namespace operant::learner {
namespace {

// How long an aborted exchange may take to leave the device.
constexpr absl::Duration kClosing = absl::Seconds(5);

absl::Status CudaStatus(cudaError_t error) {
  if (error == cudaSuccess) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("CUDA: ", cudaGetErrorString(error)));
}

// A point in a stream's work.
class CudaEvent {
 public:
  explicit CudaEvent(cudaStream_t stream) {
    status_ =
        CudaStatus(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming));
    if (status_.ok()) status_ = CudaStatus(cudaEventRecord(event_, stream));
  }
  ~CudaEvent() {
    if (event_ != nullptr) cudaEventDestroy(event_);
  }
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  absl::StatusOr<bool> Happened() const {
    RETURN_IF_ERROR(status_);
    const cudaError_t state = cudaEventQuery(event_);
    if (state == cudaErrorNotReady) return false;
    RETURN_IF_ERROR(CudaStatus(state));
    return true;
  }
  // The work that `stream` gets from now on comes after it.
  absl::Status Precede(cudaStream_t stream) const {
    RETURN_IF_ERROR(status_);
    return CudaStatus(cudaStreamWaitEvent(stream, event_, 0));
  }

 private:
  cudaEvent_t event_ = nullptr;
  absl::Status status_;
};

bool IsFloat(const CollectiveCall& call) {
  return call.data.scalar_type() == at::kFloat;
}

// How NCCL is asked for the call. Maxima of floats go as integers (nan_order).
struct Request {
  ncclDataType_t type = ncclInt8;
  ncclRedOp_t reduction = ncclSum;
  bool in_order = false;  // between ToOrder and FromOrder
};

Request RequestOf(const CollectiveCall& call) {
  if (!call.reduces()) return {};
  Request request;
  const at::ScalarType type = call.data.scalar_type();
  const bool is_max = call.reduction == Reduction::kMax;
  request.reduction = is_max ? ncclMax : ncclSum;
  request.in_order = is_max && type != at::kLong;
  if (type == at::kFloat) request.type = is_max ? ncclInt32 : ncclFloat32;
  if (type == at::kDouble) request.type = is_max ? ncclInt64 : ncclFloat64;
  if (type == at::kLong) request.type = ncclInt64;
  return request;
}

class NcclTransport final : public Transport {
 public:
  NcclTransport(const CollectiveOptions& options, int device)
      : rank_(options.rank),
        size_(options.size),
        timeout_(options.timeout),
        device_(device) {}
  ~NcclTransport() override;

  // Before everything else, on the device.
  absl::Status Start(const CollectiveOptions& options);

  c10::DeviceType device() const override { return c10::DeviceType::CUDA; }
  std::shared_ptr<void> Mark() override;
  absl::StatusOr<int64_t> Perform(const CollectiveCall& call) override;
  void Close() override;
  void Interrupt() override { interrupted_ = true; }

 private:
  absl::Status Enqueue(const CollectiveCall& call);
  absl::Status Order(const CollectiveCall& call, bool back);
  ncclResult_t Ask(const CollectiveCall& call, ncclComm_t comm);
  absl::Status Look();
  int64_t BytesOf(const CollectiveCall& call) const;

  const int rank_;
  const int size_;
  const absl::Duration timeout_;
  const int device_;
  cudaStream_t stream_ = nullptr;
  int64_t* token_ = nullptr;  // device memory: what a barrier adds up
  std::unique_ptr<NcclCommunicator> communicator_;
  std::atomic<bool> interrupted_ = false;
  // Of the exchange that runs.
  std::shared_ptr<CudaEvent> ready_;
  absl::Time deadline_;
};

absl::Status NcclTransport::Start(const CollectiveOptions& options) {
  RETURN_IF_ERROR(
      CudaStatus(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)));
  RETURN_IF_ERROR(CudaStatus(
      cudaMalloc(reinterpret_cast<void**>(&token_), sizeof(*token_))));
  RETURN_IF_ERROR(
      CudaStatus(cudaMemsetAsync(token_, 0, sizeof(*token_), stream_)));
  ASSIGN_OR_RETURN(communicator_, NcclCommunicator::Create(options));
  return absl::OkStatus();
}

NcclTransport::~NcclTransport() {
  communicator_.reset();
  if (token_ != nullptr) cudaFree(token_);
  if (stream_ != nullptr) cudaStreamDestroy(stream_);
}

std::shared_ptr<void> NcclTransport::Mark() {
  return std::make_shared<CudaEvent>(
      c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(device_))
          .stream());
}

absl::StatusOr<int64_t> NcclTransport::Perform(const CollectiveCall& call) {
  RETURN_IF_ERROR(CudaStatus(cudaSetDevice(device_)));  // this thread's
  ready_ = std::static_pointer_cast<CudaEvent>(call.ready);
  deadline_ = absl::InfiniteFuture();
  RETURN_IF_ERROR(Enqueue(call));
  const CudaEvent done(stream_);
  RETURN_IF_ERROR(Poll([&]() -> absl::StatusOr<bool> {
    ASSIGN_OR_RETURN(const bool is_done, done.Happened());
    if (!is_done) RETURN_IF_ERROR(Look());
    return is_done;
  }));
  RETURN_IF_ERROR(communicator_->AsyncError());
  return BytesOf(call);
}

absl::Status NcclTransport::Enqueue(const CollectiveCall& call) {
  RETURN_IF_ERROR(ready_->Precede(stream_));
  RETURN_IF_ERROR(Order(call, /*back=*/false));
  RETURN_IF_ERROR(
      communicator_->Launch([&](ncclComm_t comm) { return Ask(call, comm); },
                            [this] { return Look(); }));
  return Order(call, /*back=*/true);
}

absl::Status NcclTransport::Order(const CollectiveCall& call, bool back) {
  if (!call.data.defined() || !RequestOf(call).in_order)
    return absl::OkStatus();
  if (IsFloat(call)) {
    float* data = static_cast<float*>(call.data.data_ptr());
    return CudaStatus((back ? FromOrder(data, call.elements(), stream_)
                            : ToOrder(data, call.elements(), stream_)));
  }
  double* data = static_cast<double*>(call.data.data_ptr());
  return CudaStatus((back ? FromOrder(data, call.elements(), stream_)
                          : ToOrder(data, call.elements(), stream_)));
}

// All in place: NCCL sees that by the pointers.
ncclResult_t NcclTransport::Ask(const CollectiveCall& call, ncclComm_t comm) {
  if (call.operation == Operation::kBarrier)
    return ncclAllReduce(token_, token_, 1, ncclInt64, ncclSum, comm, stream_);
  char* data = static_cast<char*>(call.data.data_ptr());
  const Request request = RequestOf(call);
  char* own = data + call.bytes() / size_ * rank_;
  switch (call.operation) {
    case Operation::kReduceScatter:
      return ncclReduceScatter(data, own, call.elements() / size_, request.type,
                               request.reduction, comm, stream_);
    case Operation::kAllGather:
      return ncclAllGather(own, data, call.bytes() / size_, request.type, comm,
                           stream_);
    case Operation::kBroadcast:
      return ncclBroadcast(data, data, call.bytes(), request.type, call.root,
                           comm, stream_);
    default:
      return ncclAllReduce(data, data, call.elements(), request.type,
                           request.reduction, comm, stream_);
  }
}

// Whether to go on waiting. The exchange starts, and its time runs, once the
// tensor is ready: how long the caller computes is not its peers' fault.
absl::Status NcclTransport::Look() {
  if (interrupted_) return absl::AbortedError("interrupted");
  RETURN_IF_ERROR(communicator_->AsyncError());
  const absl::Time now = MonotonicNow();
  if (deadline_ == absl::InfiniteFuture()) {
    ASSIGN_OR_RETURN(const bool is_ready, ready_->Happened());
    if (is_ready) deadline_ = now + timeout_;
  }
  if (now < deadline_) return absl::OkStatus();
  return absl::DeadlineExceededError(absl::StrCat(
      "not all ranks took part within ", absl::FormatDuration(timeout_)));
}

// By the formulas of WireBytes: NCCL does not tell.
int64_t NcclTransport::BytesOf(const CollectiveCall& call) const {
  const int64_t share = call.bytes() * (size_ - 1) / size_;
  switch (call.operation) {
    case Operation::kAllReduce:
      return 2 * share;
    case Operation::kReduceScatter:
    case Operation::kAllGather:
      return share;
    case Operation::kBroadcast:
      return (rank_ + 1) % size_ == call.root ? 0 : call.bytes();
    case Operation::kBarrier:
      break;
  }
  return 0;
}

void NcclTransport::Close() {
  communicator_->Abort();
  const absl::Time deadline = MonotonicNow() + kClosing;
  Poll([&]() -> absl::StatusOr<bool> {
    return cudaStreamQuery(stream_) != cudaErrorNotReady ||
           MonotonicNow() >= deadline;
  }).IgnoreError();
}

absl::Status NoGpu(const std::string& why) {
  return absl::FailedPreconditionError(absl::StrCat(
      "ranks cannot meet: learner.collective=nccl, and this machine has no GPU "
      "that CUDA can use (",
      why, "); set learner.collective=gloo and learner.device=cpu"));
}

// The calling thread's.
absl::StatusOr<int> CurrentDevice() {
  int count = 0, device = 0;
  const cudaError_t counted = cudaGetDeviceCount(&count);
  if (counted != cudaSuccess) return NoGpu(cudaGetErrorString(counted));
  if (count == 0) return NoGpu("no device");
  RETURN_IF_ERROR(CudaStatus(cudaGetDevice(&device)));
  return device;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Collective>> CreateNcclCollective(
    const CollectiveOptions& options) {
  ASSIGN_OR_RETURN(const int device, CurrentDevice());
  auto transport = std::make_unique<NcclTransport>(options, device);
  RETURN_IF_ERROR(transport->Start(options));
  return CreateQueuedCollective(options, std::move(transport));
}

}  // namespace operant::learner
