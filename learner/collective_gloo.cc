// Rings (ring.h) over Gloo's connections (gloo_link.h).
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/monotonic_clock.h"
#include "common/base/status_macros.h"
#include "learner/collective.h"
#include "learner/gloo_link.h"
#include "learner/queued_collective.h"
#include "learner/ring.h"

namespace operant::learner {
namespace {

// A broadcast passes pieces of this size on while the next one comes in.
constexpr int64_t kBroadcastPiece = 1 << 20;

// The connections are open to whoever can dial them.
absl::Status CheckHost(const std::string& host) {
  if (host != "0.0.0.0" && host != "::") return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "ranks cannot meet: host=", host,
      ", expected an address of this machine that its peers dial"));
}

// Of a type that CheckCall lets through.
ElementType ElementTypeOf(at::ScalarType type) {
  if (type == at::kDouble) return ElementType::kDouble;
  return type == at::kLong ? ElementType::kInt64 : ElementType::kFloat;
}

// A tensor's memory, as the rings see it.
struct Elements {
  char* data = nullptr;
  int64_t count = 0;
  int64_t bytes_each = 0;
  ElementType type = ElementType::kFloat;

  int64_t bytes() const { return count * bytes_each; }
};

class RingTransport final : public Transport {
 public:
  RingTransport(const CollectiveOptions& options,
                std::unique_ptr<GlooLink> link)
      : rank_(options.rank),
        size_(options.size),
        timeout_(options.timeout),
        link_(std::move(link)) {}

  c10::DeviceType device() const override { return c10::DeviceType::CPU; }
  absl::StatusOr<int64_t> Perform(const CollectiveCall& call) override;
  void Close() override { link_->Close(); }
  void Interrupt() override { link_->Interrupt(); }

 private:
  absl::Status Run(const CollectiveCall& call);
  Elements ElementsOf(const CollectiveCall& call);
  absl::Status Reduce(const Elements& elements, Reduction reduction);
  absl::Status Gather(const Elements& elements);
  absl::Status PassOn(const Elements& elements, int root);
  GlooLink::Side Part(const Elements& elements, int index, int peer) const;
  absl::Status Swap(const GlooLink::Side& send, const GlooLink::Side& receive);

  int Next() const { return (rank_ + 1) % size_; }
  int Before() const { return (rank_ + size_ - 1) % size_; }

  const int rank_;
  const int size_;
  const absl::Duration timeout_;
  const std::unique_ptr<GlooLink> link_;
  int64_t token_ = 0;  // what a barrier sends around
  std::vector<char> arrived_;
  // Of the exchange that runs.
  absl::Time deadline_;
  int64_t sent_ = 0;
};

absl::StatusOr<int64_t> RingTransport::Perform(const CollectiveCall& call) {
  deadline_ = MonotonicNow() + timeout_;
  sent_ = 0;
  RETURN_IF_ERROR(Run(call));
  return sent_;
}

absl::Status RingTransport::Run(const CollectiveCall& call) {
  const Elements elements = ElementsOf(call);
  switch (call.operation) {
    case Operation::kReduceScatter:
      return Reduce(elements, call.reduction);
    case Operation::kAllGather:
      return Gather(elements);
    case Operation::kBroadcast:
      return PassOn(elements, call.root);
    case Operation::kAllReduce:
    case Operation::kBarrier:  // the token passes every rank before any returns
      break;
  }
  RETURN_IF_ERROR(Reduce(elements, call.reduction));
  return Gather(elements);
}

Elements RingTransport::ElementsOf(const CollectiveCall& call) {
  if (call.operation == Operation::kBarrier) {
    token_ = 0;
    return {reinterpret_cast<char*>(&token_), 1, sizeof(token_),
            ElementType::kInt64};
  }
  return {static_cast<char*>(call.data.data_ptr()), call.elements(),
          static_cast<int64_t>(call.data.element_size()),
          ElementTypeOf(call.data.scalar_type())};
}

absl::Status RingTransport::Reduce(const Elements& elements,
                                   Reduction reduction) {
  const size_t largest = Part(elements, 0, 0).bytes;
  arrived_.resize(std::max(arrived_.size(), largest));
  for (int turn = 0; turn + 1 < size_; ++turn) {
    const RingTurn parts = ReduceTurn(rank_, size_, turn);
    const GlooLink::Side own = Part(elements, parts.receive, Before());
    RETURN_IF_ERROR(
        Swap(Part(elements, parts.send, Next()),
             {.peer = Before(), .data = arrived_.data(), .bytes = own.bytes}));
    // In the ring's order: what came, then what this rank adds.
    Combine(elements.type, reduction, own.data, arrived_.data(),
            own.bytes / elements.bytes_each);
  }
  return absl::OkStatus();
}

absl::Status RingTransport::Gather(const Elements& elements) {
  for (int turn = 0; turn + 1 < size_; ++turn) {
    const RingTurn parts = GatherTurn(rank_, size_, turn);
    RETURN_IF_ERROR(Swap(Part(elements, parts.send, Next()),
                         Part(elements, parts.receive, Before())));
  }
  return absl::OkStatus();
}

// From the root around the ring; the rank before the root is the last.
absl::Status RingTransport::PassOn(const Elements& elements, int root) {
  const bool receives = rank_ != root;
  const bool sends = Next() != root;
  const int64_t bytes = elements.bytes();
  const int64_t pieces = (bytes + kBroadcastPiece - 1) / kBroadcastPiece;
  const auto piece = [&](int64_t index, int peer) -> GlooLink::Side {
    if (index < 0 || index >= pieces) return {};
    const int64_t begin = index * kBroadcastPiece;
    return {peer, elements.data + begin,
            std::min(kBroadcastPiece, bytes - begin)};
  };
  // One piece comes in while the one before it goes out.
  const int64_t lag = receives ? 1 : 0;
  for (int64_t i = 0; i < pieces + lag; ++i) {
    RETURN_IF_ERROR(Swap(sends ? piece(i - lag, Next()) : GlooLink::Side{},
                         receives ? piece(i, Before()) : GlooLink::Side{}));
  }
  return absl::OkStatus();
}

GlooLink::Side RingTransport::Part(const Elements& elements, int index,
                                   int peer) const {
  const RingPart part = PartOf(elements.count, size_, index);
  return {peer, elements.data + part.begin * elements.bytes_each,
          part.size() * elements.bytes_each};
}

absl::Status RingTransport::Swap(const GlooLink::Side& send,
                                 const GlooLink::Side& receive) {
  RETURN_IF_ERROR(link_->Swap(send, receive, deadline_));
  sent_ += send.bytes;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Collective>> CreateGlooCollective(
    const CollectiveOptions& options) {
  RETURN_IF_ERROR(CheckHost(options.host));
  ASSIGN_OR_RETURN(std::unique_ptr<GlooLink> link, GlooLink::Connect(options));
  return CreateQueuedCollective(
      options, std::make_unique<RingTransport>(options, std::move(link)));
}

}  // namespace operant::learner
