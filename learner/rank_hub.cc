#include "learner/rank_hub.h"

#include <deque>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/grpc_status.h"
#include "common/base/log.h"
#include "common/base/monotonic_clock.h"
#include "common/base/status_macros.h"
#include "operant/v1/ranks.grpc.pb.h"

namespace operant::learner {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(50);
// How long the orders to stop may take to leave.
constexpr absl::Duration kFarewell = absl::Seconds(2);

class RankHubImpl;

// A rank's Join call. Owns itself until OnDone; the hub outlives it.
class JoinCall final : public grpc::ServerWriteReactor<v1::RankOrder> {
 public:
  JoinCall(RankHubImpl* hub, int rank) : hub_(hub), rank_(rank) {}

  void Send(v1::RankOrder order);
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  RankHubImpl* const hub_;
  const int rank_;
  absl::Mutex mu_;
  std::deque<v1::RankOrder> orders_ ABSL_GUARDED_BY(mu_);  // front: in flight
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;  // the last order was sent
};

// A call that ends before it began.
class RefusedCall final : public grpc::ServerWriteReactor<v1::RankOrder> {
 public:
  explicit RefusedCall(const absl::Status& status) {
    Finish(ToGrpcStatus(status));
  }
  void OnDone() override { delete this; }
};

RankIdentity IdentityOf(const v1::JoinRequest& request) {
  return {.rank = static_cast<int>(request.rank()),
          .host = request.host(),
          .process_id = static_cast<int64_t>(request.process_id()),
          .world_size = static_cast<int>(request.world_size()),
          .run_id = request.run_id(),
          .build = request.build(),
          .model_digest = request.model_digest(),
          .config_yaml = request.config_yaml()};
}

v1::RankOrder StopOrder(const absl::Status& verdict) {
  v1::RankOrder order;
  order.mutable_stop()->set_failed(!verdict.ok());
  order.mutable_stop()->set_reason(std::string(verdict.message()));
  return order;
}

class RankHubImpl final : public RankHub,
                          public v1::RankService::CallbackService {
 public:
  explicit RankHubImpl(const Options& options)
      : options_(options),
        group_(absl::StrCat(options.self.run_id, "-",
                            absl::ToUnixNanos(absl::Now()))),
        roster_(options.self, options.limits),
        ticker_([this] { KeepTime(); }) {}
  ~RankHubImpl() override {
    Finish();
    ticker_.join();
  }

  grpc::Service* service() override { return this; }
  std::string group() const override { return group_; }
  absl::Status AwaitAll(absl::Duration wait) override;
  void Send(const v1::RankOrder& order) override;
  absl::Status Explain(const absl::Status& error) override;
  absl::Status verdict() const override {
    absl::MutexLock lock(&mu_);
    return roster_.verdict();
  }
  void Finish() override;

  absl::Status Set(const std::string& key, const std::string& value) override;
  absl::StatusOr<std::string> Get(const std::string& key,
                                  absl::Time deadline) override;

  grpc::ServerWriteReactor<v1::RankOrder>* Join(
      grpc::CallbackServerContext* context,
      const v1::JoinRequest* request) override;
  grpc::ServerUnaryReactor* Report(grpc::CallbackServerContext* context,
                                   const v1::RankReport* request,
                                   v1::RankReportResponse* response) override;
  grpc::ServerUnaryReactor* PutMeeting(
      grpc::CallbackServerContext* context,
      const v1::PutMeetingRequest* request,
      v1::PutMeetingResponse* response) override;
  grpc::ServerUnaryReactor* GetMeeting(
      grpc::CallbackServerContext* context,
      const v1::GetMeetingRequest* request,
      v1::GetMeetingResponse* response) override;

  // From a JoinCall.
  void Lost(int rank) {
    absl::MutexLock lock(&mu_);
    roster_.Lost(rank, MonotonicNow());
  }
  void Ended(int rank) {
    absl::MutexLock lock(&mu_);
    calls_.erase(rank);
  }

 private:
  absl::Status Record(const v1::RankReport& report);
  void KeepTime();
  void SendLocked(const v1::RankOrder& order)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (const auto& [rank, call] : calls_) call->Send(order);
  }

  const Options options_;
  const std::string group_;
  // Before JoinCall's: an order is queued, never awaited, under it.
  mutable absl::Mutex mu_;
  RankRoster roster_ ABSL_GUARDED_BY(mu_);
  std::map<int, JoinCall*> calls_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::string> meeting_ ABSL_GUARDED_BY(mu_);
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  bool told_ ABSL_GUARDED_BY(mu_) = false;  // the verdict went out
  std::thread ticker_;                      // last: it uses all of the above
};

void JoinCall::Send(v1::RankOrder order) {
  const v1::RankOrder* next = nullptr;
  {
    absl::MutexLock lock(&mu_);
    if (stopped_) return;
    stopped_ = order.has_stop();
    orders_.push_back(std::move(order));
    if (orders_.size() == 1) next = &orders_.front();
  }
  if (next != nullptr) StartWrite(next);
}

void JoinCall::OnWriteDone(bool ok) {
  const v1::RankOrder* next = nullptr;
  bool over = false;
  {
    absl::MutexLock lock(&mu_);
    orders_.pop_front();
    over = !ok || (orders_.empty() && stopped_);
    if (!over && !orders_.empty()) next = &orders_.front();
  }
  if (over) return Finish(grpc::Status::OK);
  if (next != nullptr) StartWrite(next);
}

void JoinCall::OnCancel() {
  bool stopped = false;
  {
    absl::MutexLock lock(&mu_);
    stopped = stopped_;
  }
  if (!stopped) hub_->Lost(rank_);
  Send(StopOrder(absl::OkStatus()));  // ends the call
}

void JoinCall::OnDone() {
  hub_->Ended(rank_);
  delete this;
}

absl::Status RankHubImpl::AwaitAll(absl::Duration wait) {
  absl::MutexLock lock(&mu_);
  auto is_decided = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return roster_.missing().empty() || !roster_.verdict().ok();
  };
  if (mu_.AwaitWithTimeout(absl::Condition(&is_decided), wait))
    return roster_.verdict();
  return absl::DeadlineExceededError(absl::StrCat(
      "the learner cannot start: rank ", absl::StrJoin(roster_.missing(), ", "),
      " of ", options_.self.world_size,
      " did not join within learner.rank_wait_ms; see its log, and start "
      "`operant learner --rank=R --coordinator=ADDRESS` for each"));
}

void RankHubImpl::Send(const v1::RankOrder& order) {
  absl::MutexLock lock(&mu_);
  SendLocked(order);
}

absl::Status RankHubImpl::Explain(const absl::Status& error) {
  absl::MutexLock lock(&mu_);
  roster_.Failed(0, error, MonotonicNow());
  if (!absl::IsAborted(error) && !absl::IsDeadlineExceeded(error)) return error;
  auto is_decided = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return !roster_.verdict().ok();
  };
  mu_.AwaitWithTimeout(absl::Condition(&is_decided),
                       options_.limits.doubt + absl::Seconds(1));
  return roster_.verdict().ok() ? error : roster_.verdict();
}

void RankHubImpl::Finish() {
  absl::MutexLock lock(&mu_);
  finished_ = true;
  const absl::Status verdict = roster_.verdict();
  roster_.Finish();
  SendLocked(StopOrder(verdict));
  auto are_told = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return calls_.empty();
  };
  mu_.AwaitWithTimeout(absl::Condition(&are_told), kFarewell);
}

absl::Status RankHubImpl::Set(const std::string& key,
                              const std::string& value) {
  absl::MutexLock lock(&mu_);
  meeting_[key] = value;
  return absl::OkStatus();
}

absl::StatusOr<std::string> RankHubImpl::Get(const std::string& key,
                                             absl::Time deadline) {
  absl::MutexLock lock(&mu_);
  auto is_there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return meeting_.contains(key) || !roster_.verdict().ok();
  };
  // Deadlines of a Rendezvous are of the monotonic clock.
  mu_.AwaitWithTimeout(absl::Condition(&is_there), deadline - MonotonicNow());
  RETURN_IF_ERROR(roster_.verdict());
  const auto found = meeting_.find(key);
  if (found != meeting_.end()) return found->second;
  return absl::DeadlineExceededError(
      absl::StrCat("no rank has set ", key, " in time"));
}

grpc::ServerWriteReactor<v1::RankOrder>* RankHubImpl::Join(
    grpc::CallbackServerContext*, const v1::JoinRequest* request) {
  absl::MutexLock lock(&mu_);
  const RankIdentity rank = IdentityOf(*request);
  const absl::Status joined = finished_ ? absl::AbortedError("the run is over")
                                        : roster_.Join(rank, MonotonicNow());
  if (!joined.ok()) return new RefusedCall(joined);
  auto* call = new JoinCall(this, rank.rank);
  calls_[rank.rank] = call;
  v1::RankOrder welcome;
  welcome.mutable_welcome()->set_group(group_);
  welcome.mutable_welcome()->set_report_interval_ms(static_cast<uint32_t>(
      absl::ToInt64Milliseconds(options_.limits.report_interval)));
  call->Send(std::move(welcome));
  LogInfo("rank joined", {{"rank", rank.rank}, {"who", NameOf(rank)}});
  return call;
}

absl::Status RankHubImpl::Record(const v1::RankReport& report) {
  const int rank = static_cast<int>(report.rank());
  absl::MutexLock lock(&mu_);
  if (report.error_code() != 0) {
    roster_.Failed(
        rank,
        {static_cast<absl::StatusCode>(report.error_code()), report.error()},
        MonotonicNow());
  }
  return roster_.Heard(rank, report.doing(), MonotonicNow());
}

grpc::ServerUnaryReactor* RankHubImpl::Report(
    grpc::CallbackServerContext* context, const v1::RankReport* request,
    v1::RankReportResponse*) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Status status = Record(*request);
  if (request->leaving() && options_.on_leaving)
    options_.on_leaving(static_cast<int>(request->rank()));
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

grpc::ServerUnaryReactor* RankHubImpl::PutMeeting(
    grpc::CallbackServerContext* context, const v1::PutMeetingRequest* request,
    v1::PutMeetingResponse*) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(Set(request->key(), request->value())));
  return reactor;
}

grpc::ServerUnaryReactor* RankHubImpl::GetMeeting(
    grpc::CallbackServerContext* context, const v1::GetMeetingRequest* request,
    v1::GetMeetingResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  absl::Status status = absl::NotFoundError("not there yet");
  {
    absl::MutexLock lock(&mu_);
    const auto found = meeting_.find(request->key());
    if (found != meeting_.end()) {
      response->set_value(found->second);
      status = absl::OkStatus();
    }
  }
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

void RankHubImpl::KeepTime() {
  while (true) {
    absl::Status verdict;
    {
      absl::MutexLock lock(&mu_);
      mu_.AwaitWithTimeout(absl::Condition(&finished_), kTick);
      if (finished_) return;
      roster_.Tick(MonotonicNow());
      if (roster_.verdict().ok() || std::exchange(told_, true)) continue;
      verdict = roster_.verdict();
      SendLocked(StopOrder(verdict));
    }
    LogError("the learner's ranks stop", {{"cause", verdict.ToString()}});
    if (options_.on_verdict) options_.on_verdict(verdict);
  }
}

}  // namespace

std::unique_ptr<RankHub> RankHub::Create(const Options& options) {
  return std::make_unique<RankHubImpl>(options);
}

}  // namespace operant::learner
