#include "learner/queued_collective.h"

#include <deque>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"

namespace operant::learner {
namespace {

// What a caller holds of a call, and the thread fills in.
class Outcome {
 public:
  void Set(absl::Status result) {
    absl::MutexLock lock(&mu_);
    status_ = std::move(result);
    done_ = true;
  }
  // Without a deadline of its own: the thread ends every call by the call's.
  absl::Status Get() {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(&done_));
    return status_;
  }

 private:
  absl::Mutex mu_;
  bool done_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
};

class QueuedExchange final : public Exchange {
 public:
  explicit QueuedExchange(std::shared_ptr<Outcome> outcome)
      : outcome_(std::move(outcome)) {}
  ~QueuedExchange() override { outcome_->Get().IgnoreError(); }
  absl::Status Wait() override { return outcome_->Get(); }

 private:
  const std::shared_ptr<Outcome> outcome_;
};

class QueuedCollective final : public Collective {
 public:
  QueuedCollective(const CollectiveOptions& options,
                   std::unique_ptr<Transport> transport)
      : options_(options),
        transport_(std::move(transport)),
        thread_([this] { Run(); }) {}
  ~QueuedCollective() override {
    {
      absl::MutexLock lock(&mu_);
      closing_ = true;
    }
    thread_.join();
  }

  int rank() const override { return options_.rank; }
  int size() const override { return options_.size; }
  at::Device device() const override { return transport_->device(); }

  std::unique_ptr<Exchange> AllReduce(at::Tensor data, Reduction reduction,
                                      const std::string& what) override {
    return Queue({.operation = Operation::kAllReduce,
                  .what = what,
                  .data = std::move(data),
                  .reduction = reduction});
  }
  std::unique_ptr<Exchange> ReduceScatter(at::Tensor data, Reduction reduction,
                                          const std::string& what) override {
    return Queue({.operation = Operation::kReduceScatter,
                  .what = what,
                  .data = std::move(data),
                  .reduction = reduction});
  }
  std::unique_ptr<Exchange> AllGather(at::Tensor data,
                                      const std::string& what) override {
    return Queue({.operation = Operation::kAllGather,
                  .what = what,
                  .data = std::move(data)});
  }
  std::unique_ptr<Exchange> Broadcast(at::Tensor data, int root,
                                      const std::string& what) override {
    return Queue({.operation = Operation::kBroadcast,
                  .what = what,
                  .data = std::move(data),
                  .root = root});
  }
  absl::Status Barrier(const std::string& what) override {
    return Queue({.operation = Operation::kBarrier, .what = what})->Wait();
  }

  void Abort(absl::Status cause) override {
    Fail(std::move(cause));
    transport_->Interrupt();
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
    CollectiveCall call;
    std::shared_ptr<Outcome> outcome;
  };

  std::unique_ptr<Exchange> Queue(CollectiveCall call);
  void Run();
  absl::Status RunOne(const CollectiveCall& call);
  absl::StatusOr<int64_t> Perform(const CollectiveCall& call);
  void Fail(absl::Status status);

  const CollectiveOptions options_;
  int64_t exchanges_ = 0;  // only touched by the caller's thread
  const std::unique_ptr<Transport> transport_;
  mutable absl::Mutex mu_;
  std::deque<Queued> queue_ ABSL_GUARDED_BY(mu_);
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  WireBytes sent_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;  // last: it uses all of the above
};

std::unique_ptr<Exchange> QueuedCollective::Queue(CollectiveCall call) {
  call.number = ++exchanges_;
  call.ready = transport_->Mark();
  auto outcome = std::make_shared<Outcome>();
  absl::MutexLock lock(&mu_);
  if (status_.ok()) {
    queue_.push_back({std::move(call), outcome});
  } else {
    outcome->Set(status_);
  }
  return std::make_unique<QueuedExchange>(std::move(outcome));
}

void QueuedCollective::Run() {
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
    next.outcome->Set(RunOne(next.call));
  }
}

absl::Status QueuedCollective::RunOne(const CollectiveCall& call) {
  if (const absl::Status earlier = status(); !earlier.ok()) return earlier;
  const absl::Time begin = absl::Now();
  const absl::StatusOr<int64_t> sent = Perform(call);
  if (sent.ok()) {
    absl::MutexLock lock(&mu_);
    CountSent(call, *sent, sent_);
  } else {
    Fail(CallError(call, rank(), size(), sent.status()));
    transport_->Close();
  }
  const absl::Status result = sent.ok() ? absl::OkStatus() : status();
  if (options_.observe) {
    options_.observe({OperationName(call.operation), call.what, call.bytes(),
                      begin, absl::Now(), result});
  }
  return result;
}

absl::StatusOr<int64_t> QueuedCollective::Perform(const CollectiveCall& call) {
  const absl::Status check = CheckCall(call, size(), transport_->device());
  if (!check.ok()) return check;
  return transport_->Perform(call);
}

void QueuedCollective::Fail(absl::Status status) {
  absl::MutexLock lock(&mu_);
  status_.Update(std::move(status));
}

}  // namespace

std::unique_ptr<Collective> CreateQueuedCollective(
    const CollectiveOptions& options, std::unique_ptr<Transport> transport) {
  return std::make_unique<QueuedCollective>(options, std::move(transport));
}

}  // namespace operant::learner
