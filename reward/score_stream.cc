#include "reward/score_stream.h"

#include <atomic>
#include <deque>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/base/grpc_status.h"

namespace operant::reward {
namespace {

// Requests read but not yet answered: bounds a stream's memory.
constexpr size_t kWindow = 4;

// Every event (a read, a score, a write is done) changes the state and plans
// what to start in one critical section, then starts it without the lock. While
// a thread is between the two, `acting_` keeps the stream from finishing, since
// after Finish the reactor may be deleted at any moment.
class ScoreStreamReactor final
    : public grpc::ServerBidiReactor<v1::ScoreRequest, v1::ScoreResponse> {
 public:
  ScoreStreamReactor(const ScoreHandler* handler, ScoringPool* pool)
      : handler_(handler), pool_(pool) {
    StartRead(&incoming_);
  }

  void OnReadDone(bool ok) override {
    Plan plan;
    {
      absl::MutexLock lock(&mu_);
      reading_ = false;
      if (ok) ++scoring_;
      if (!ok) input_ended_ = true;
      plan = MakePlan();
    }
    if (ok) Submit(std::make_shared<v1::ScoreRequest>(std::move(incoming_)));
    Act(plan);
  }

  void OnWriteDone(bool ok) override {
    Plan plan;
    {
      absl::MutexLock lock(&mu_);
      writing_ = false;
      outgoing_.pop_front();
      if (!ok) status_.Update(absl::CancelledError("caller left the stream"));
      plan = MakePlan();
    }
    Act(plan);
  }

  void OnCancel() override { cancelled_ = true; }
  void OnDone() override { delete this; }

 private:
  struct Plan {
    bool read = false;
    const v1::ScoreResponse* write = nullptr;
  };

  void Submit(std::shared_ptr<const v1::ScoreRequest> request) {
    if (!pool_->TryRun([this, request] { Run(*request); })) {
      OnScored(handler_->Refuse(), {});
    }
  }

  void Run(const v1::ScoreRequest& request) {
    v1::ScoreResponse response;
    absl::Status status = handler_->Handle(
        request, [this] { return cancelled_.load(); }, response);
    OnScored(std::move(status), std::move(response));
  }

  void OnScored(absl::Status status, v1::ScoreResponse response) {
    Plan plan;
    {
      absl::MutexLock lock(&mu_);
      --scoring_;
      if (status.ok()) outgoing_.push_back(std::move(response));
      status_.Update(status);
      plan = MakePlan();
    }
    Act(plan);
  }

  Plan MakePlan() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    ++acting_;
    Plan plan;
    if (!status_.ok()) return plan;
    if (!reading_ && !input_ended_ && scoring_ + outgoing_.size() < kWindow) {
      plan.read = reading_ = true;
    }
    if (!writing_ && !outgoing_.empty()) {
      writing_ = true;
      plan.write = &outgoing_.front();  // stays in place until OnWriteDone
    }
    return plan;
  }

  void Act(const Plan& plan) {
    if (plan.read) StartRead(&incoming_);
    if (plan.write != nullptr) StartWrite(plan.write);
    absl::Status status;
    {
      absl::MutexLock lock(&mu_);
      --acting_;
      if (!IsOver()) return;
      finished_ = true;
      status = status_;
    }
    Finish(ToGrpcStatus(status));
  }

  bool IsOver() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (finished_ || acting_ > 0 || scoring_ > 0 || writing_) return false;
    return !status_.ok() || (input_ended_ && outgoing_.empty());
  }

  const ScoreHandler* const handler_;
  ScoringPool* const pool_;
  std::atomic<bool> cancelled_ = false;
  // Belongs to gRPC while a read is under way, then to OnReadDone.
  v1::ScoreRequest incoming_;

  absl::Mutex mu_;
  bool reading_ ABSL_GUARDED_BY(mu_) = true;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool input_ended_ ABSL_GUARDED_BY(mu_) = false;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  size_t scoring_ ABSL_GUARDED_BY(mu_) = 0;
  int acting_ ABSL_GUARDED_BY(mu_) = 0;
  std::deque<v1::ScoreResponse> outgoing_ ABSL_GUARDED_BY(mu_);
  absl::Status status_ ABSL_GUARDED_BY(mu_);  // the first error ends the stream
};

}  // namespace

grpc::ServerBidiReactor<v1::ScoreRequest, v1::ScoreResponse>*
MakeScoreStreamReactor(const ScoreHandler* handler, ScoringPool* pool) {
  return new ScoreStreamReactor(handler, pool);
}

}  // namespace operant::reward
