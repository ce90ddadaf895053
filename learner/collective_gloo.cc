// Rings over Gloo's connections (ring.h): one thread runs the exchanges in the
// order of the calls.
#include <algorithm>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/monotonic_clock.h"
#include "common/base/status_macros.h"
#include "learner/collective.h"
#include "learner/gloo_link.h"
#include "learner/ring.h"

namespace operant::learner {
namespace {

// A broadcast passes pieces of this size on while the next one comes in.
constexpr int64_t kBroadcastPiece = 1 << 20;

struct Call {
  const char* operation = "";
  std::string what;
  int64_t number = 0;
  at::Tensor data;  // keeps the memory
  char* bytes = nullptr;
  int64_t elements = 0;
  int64_t element_bytes = 0;
  ElementType type = ElementType::kFloat;
  Reduction reduction = Reduction::kSum;
  std::string misuse;                   // why the call cannot be, if it cannot
  bool reduce = false, gather = false;  // which halves of a ring
  int root = -1;                        // of a broadcast
  int64_t WireBytes::*counter = nullptr;  // null: a barrier's

  int64_t size() const { return elements * element_bytes; }
};

// What a caller holds of a call, and the thread fills in.
struct Outcome {
  absl::Mutex mu;
  bool done ABSL_GUARDED_BY(mu) = false;
  absl::Status status ABSL_GUARDED_BY(mu);

  void Set(absl::Status result) {
    absl::MutexLock lock(&mu);
    status = std::move(result);
    done = true;
  }
  // Without a deadline of its own: the thread ends every call by the call's.
  absl::Status Get() {
    absl::MutexLock lock(&mu);
    mu.Await(absl::Condition(&done));
    return status;
  }
};

class GlooExchange final : public Exchange {
 public:
  explicit GlooExchange(std::shared_ptr<Outcome> outcome)
      : outcome_(std::move(outcome)) {}
  ~GlooExchange() override { outcome_->Get().IgnoreError(); }
  absl::Status Wait() override { return outcome_->Get(); }

 private:
  const std::shared_ptr<Outcome> outcome_;
};

// The connections are open to whoever can dial them.
absl::Status CheckHost(const std::string& host) {
  if (host != "0.0.0.0" && host != "::") return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "ranks cannot meet: host=", host,
      ", expected an address of this machine that its peers dial"));
}

bool TypeOf(const at::Tensor& data, ElementType& type) {
  switch (data.scalar_type()) {
    case at::kFloat:
      type = ElementType::kFloat;
      return true;
    case at::kDouble:
      type = ElementType::kDouble;
      return true;
    case at::kLong:
      type = ElementType::kInt64;
      return true;
    default:
      return false;
  }
}

class GlooCollective final : public Collective {
 public:
  GlooCollective(const CollectiveOptions& options,
                 std::unique_ptr<GlooLink> link)
      : options_(options), link_(std::move(link)), thread_([this] { Run(); }) {}
  ~GlooCollective() override {
    {
      absl::MutexLock lock(&mu_);
      closing_ = true;
    }
    thread_.join();
  }

  int rank() const override { return options_.rank; }
  int size() const override { return options_.size; }
  at::Device device() const override { return at::kCPU; }

  std::unique_ptr<Exchange> AllReduce(at::Tensor data, Reduction reduction,
                                      const std::string& what) override {
    Call call = Reducing("all-reduce", std::move(data), reduction, what);
    call.gather = true;
    call.counter = &WireBytes::all_reduce;
    return Queue(std::move(call));
  }
  std::unique_ptr<Exchange> ReduceScatter(at::Tensor data, Reduction reduction,
                                          const std::string& what) override {
    Call call = Reducing("reduce-scatter", std::move(data), reduction, what);
    call.counter = &WireBytes::reduce_scatter;
    return Queue(std::move(call));
  }
  std::unique_ptr<Exchange> AllGather(at::Tensor data,
                                      const std::string& what) override {
    Call call = Moving("all-gather", std::move(data), what);
    call.gather = true;
    call.counter = &WireBytes::all_gather;
    return Queue(std::move(call));
  }
  std::unique_ptr<Exchange> Broadcast(at::Tensor data, int root,
                                      const std::string& what) override {
    Call call = Moving("broadcast", std::move(data), what);
    call.root = root;
    call.counter = &WireBytes::broadcast;
    return Queue(std::move(call));
  }
  absl::Status Barrier(const std::string& what) override {
    Call call;
    call.operation = "barrier";
    call.what = what;
    call.bytes = reinterpret_cast<char*>(&token_);
    call.elements = 1;
    call.element_bytes = sizeof(token_);
    call.type = ElementType::kInt64;
    call.reduce = call.gather = true;
    return Queue(std::move(call))->Wait();
  }

  void Abort(absl::Status cause) override {
    Fail(std::move(cause));
    link_->Interrupt();
  }
  absl::Status status() const override {
    absl::MutexLock lock(&mu_);
    return status_;
  }
  WireBytes sent() const override {
    absl::MutexLock lock(&mu_);
    return sent_;
  }
  int64_t exchanges() const override { return exchanges_; }

 private:
  struct Queued {
    Call call;
    std::shared_ptr<Outcome> outcome;
  };

  static Call Moving(const char* operation, at::Tensor data,
                     const std::string& what);
  static Call Reducing(const char* operation, at::Tensor data,
                       Reduction reduction, const std::string& what);
  std::unique_ptr<Exchange> Queue(Call call);
  void Run();
  absl::Status Perform(const Call& call);
  absl::Status Reduce(const Call& call, absl::Time deadline);
  absl::Status Gather(const Call& call, absl::Time deadline);
  absl::Status PassOn(const Call& call, absl::Time deadline);
  absl::Status Swap(const GlooLink::Side& send, const GlooLink::Side& receive,
                    absl::Time deadline);
  void Fail(absl::Status status);

  int Next() const { return (rank() + 1) % size(); }
  int Before() const { return (rank() + size() - 1) % size(); }

  const CollectiveOptions options_;

  // Only touched by the caller's thread.
  int64_t exchanges_ = 0;
  // Only touched by thread_, and by nobody between its exchanges.
  int64_t token_ = 0;  // what a barrier sends around
  std::vector<char> arrived_;
  int64_t sent_now_ = 0;

  std::unique_ptr<GlooLink> link_;
  mutable absl::Mutex mu_;
  std::deque<Queued> queue_ ABSL_GUARDED_BY(mu_);
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  WireBytes sent_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;  // last: it uses all of the above
};

Call GlooCollective::Moving(const char* operation, at::Tensor data,
                            const std::string& what) {
  Call call;
  call.operation = operation;
  call.what = what;
  call.bytes = static_cast<char*>(data.data_ptr());
  call.elements = data.numel();
  call.element_bytes = static_cast<int64_t>(data.element_size());
  call.data = std::move(data);
  return call;
}

Call GlooCollective::Reducing(const char* operation, at::Tensor data,
                              Reduction reduction, const std::string& what) {
  ElementType type = ElementType::kFloat;
  const bool known = TypeOf(data, type);
  Call call = Moving(operation, std::move(data), what);
  call.type = type;
  call.reduction = reduction;
  call.reduce = true;
  if (!known) {
    call.misuse =
        absl::StrCat("of type ", c10::toString(call.data.scalar_type()),
                     ", which cannot be reduced");
  }
  return call;
}

// Misuse fails on every rank alike: all make the same calls.
absl::Status CheckCall(const Call& call, int size) {
  std::string misuse = call.misuse;
  if (call.data.defined()) {
    if (!call.data.is_contiguous()) misuse = "not contiguous";
    if (!call.data.is_cpu()) misuse = "not on the CPU";
  }
  const bool equal_parts = call.reduce != call.gather;
  if (equal_parts && call.elements % size != 0)
    misuse = absl::StrCat(call.elements, " elements, not a multiple of ", size);
  if (misuse.empty()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("the tensor is ", misuse));
}

std::unique_ptr<Exchange> GlooCollective::Queue(Call call) {
  call.number = ++exchanges_;
  auto outcome = std::make_shared<Outcome>();
  {
    absl::MutexLock lock(&mu_);
    if (status_.ok()) {
      queue_.push_back({std::move(call), outcome});
      return std::make_unique<GlooExchange>(std::move(outcome));
    }
  }
  outcome->Set(status());
  return std::make_unique<GlooExchange>(std::move(outcome));
}

void GlooCollective::Run() {
  while (true) {
    Queued next;
    {
      absl::MutexLock lock(&mu_);
      const auto is_awake = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
        return closing_ || !queue_.empty();
      };
      mu_.Await(absl::Condition(&is_awake));
      if (queue_.empty()) return;
      next = std::move(queue_.front());
      queue_.pop_front();
    }
    absl::Status result = status();
    if (result.ok()) result = Perform(next.call);
    next.outcome->Set(result);
  }
}

absl::Status GlooCollective::Perform(const Call& call) {
  const absl::Time begin = absl::Now();
  const absl::Time deadline = MonotonicNow() + options_.timeout;
  sent_now_ = 0;
  absl::Status result = CheckCall(call, size());
  if (result.ok() && call.root >= 0) result = PassOn(call, deadline);
  if (result.ok() && call.reduce) result = Reduce(call, deadline);
  if (result.ok() && call.gather) result = Gather(call, deadline);
  if (!result.ok()) {
    Fail(absl::Status(
        result.code(),
        absl::StrCat("rank ", rank(), " of ", size(), ", ", call.operation, " ",
                     call.number, " (", call.what, ", ", call.size(),
                     " bytes): ", result.message())));
    link_->Close();
  } else if (call.counter != nullptr) {
    absl::MutexLock lock(&mu_);
    sent_.*call.counter += sent_now_;
  }
  if (options_.observe) {
    options_.observe(
        {call.operation, call.what, call.size(), begin, absl::Now(), status()});
  }
  return status();
}

absl::Status GlooCollective::Reduce(const Call& call, absl::Time deadline) {
  const int64_t largest = PartOf(call.elements, size(), 0).size();
  arrived_.resize(
      std::max(arrived_.size(), size_t(largest * call.element_bytes)));
  for (int turn = 0; turn + 1 < size(); ++turn) {
    const RingTurn parts = ReduceTurn(rank(), size(), turn);
    const RingPart out = PartOf(call.elements, size(), parts.send);
    const RingPart in = PartOf(call.elements, size(), parts.receive);
    RETURN_IF_ERROR(Swap({.peer = Next(),
                          .data = call.bytes + out.begin * call.element_bytes,
                          .bytes = out.size() * call.element_bytes},
                         {.peer = Before(),
                          .data = arrived_.data(),
                          .bytes = in.size() * call.element_bytes},
                         deadline));
    // In the ring's order: what came, then what this rank adds.
    Combine(call.type, call.reduction,
            call.bytes + in.begin * call.element_bytes, arrived_.data(),
            in.size());
  }
  return absl::OkStatus();
}

absl::Status GlooCollective::Gather(const Call& call, absl::Time deadline) {
  for (int turn = 0; turn + 1 < size(); ++turn) {
    const RingTurn parts = GatherTurn(rank(), size(), turn);
    const RingPart out = PartOf(call.elements, size(), parts.send);
    const RingPart in = PartOf(call.elements, size(), parts.receive);
    RETURN_IF_ERROR(Swap({.peer = Next(),
                          .data = call.bytes + out.begin * call.element_bytes,
                          .bytes = out.size() * call.element_bytes},
                         {.peer = Before(),
                          .data = call.bytes + in.begin * call.element_bytes,
                          .bytes = in.size() * call.element_bytes},
                         deadline));
  }
  return absl::OkStatus();
}

// From the root around the ring; the rank before the root is the last.
absl::Status GlooCollective::PassOn(const Call& call, absl::Time deadline) {
  const bool receives = rank() != call.root;
  const bool sends = Next() != call.root;
  const int64_t pieces = (call.size() + kBroadcastPiece - 1) / kBroadcastPiece;
  const auto piece = [&](int64_t index, int peer) -> GlooLink::Side {
    if (index < 0 || index >= pieces) return {};
    const int64_t begin = index * kBroadcastPiece;
    return {peer, call.bytes + begin,
            std::min(kBroadcastPiece, call.size() - begin)};
  };
  // One piece comes in while the one before it goes out.
  const int64_t lag = receives ? 1 : 0;
  for (int64_t i = 0; i < pieces + lag; ++i) {
    RETURN_IF_ERROR(Swap(sends ? piece(i - lag, Next()) : GlooLink::Side{},
                         receives ? piece(i, Before()) : GlooLink::Side{},
                         deadline));
  }
  return absl::OkStatus();
}

absl::Status GlooCollective::Swap(const GlooLink::Side& send,
                                  const GlooLink::Side& receive,
                                  absl::Time deadline) {
  RETURN_IF_ERROR(link_->Swap(send, receive, deadline));
  sent_now_ += send.bytes;
  return absl::OkStatus();
}

void GlooCollective::Fail(absl::Status status) {
  absl::MutexLock lock(&mu_);
  status_.Update(std::move(status));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Collective>> CreateGlooCollective(
    const CollectiveOptions& options) {
  RETURN_IF_ERROR(CheckHost(options.host));
  ASSIGN_OR_RETURN(std::unique_ptr<GlooLink> link, GlooLink::Connect(options));
  return std::make_unique<GlooCollective>(options, std::move(link));
}

}  // namespace operant::learner
