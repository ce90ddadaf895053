#include "learner/rank_member.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/exit_code.h"
#include "common/base/grpc_status.h"
#include "common/base/log.h"
#include "common/base/monotonic_clock.h"
#include "common/base/rpc.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "operant/v1/ranks.grpc.pb.h"

namespace operant::learner {
namespace {

constexpr absl::Duration kRetryJoin = absl::Milliseconds(200);
constexpr absl::Duration kPollMeeting = absl::Milliseconds(20);
constexpr absl::Duration kCallDeadline = absl::Seconds(5);
// After an error was reported, for rank 0 to say whose fault it was.
constexpr absl::Duration kAwaitVerdict = absl::Seconds(3);
// A signal is looked for this often while nothing comes.
constexpr absl::Duration kLookForSignal = absl::Milliseconds(100);

absl::Status Over(const std::string& reason) {
  return WithExitCode(absl::AbortedError(reason), ExitCode::kResumable);
}

// What rank 0 said, and how it ended. Outlives the call and the member.
class Group {
 public:
  explicit Group(std::function<void(const absl::Status&)> on_verdict)
      : on_verdict_(std::move(on_verdict)) {}

  void Push(v1::RankOrder order) {
    if (order.has_stop() && order.stop().failed())
      return End(Over(order.stop().reason()));
    absl::MutexLock lock(&mu_);
    is_done_ |= order.has_stop();
    orders_.push_back(std::move(order));
  }
  // The first end stays; after a Stop there is nothing to end.
  void End(absl::Status verdict) {
    {
      absl::MutexLock lock(&mu_);
      if (is_done_ || !verdict_.ok()) return;
      verdict_ = verdict;
    }
    absl::MutexLock lock(&call_mu_);
    if (on_verdict_) on_verdict_(verdict);
  }
  // From its return on, nobody is called.
  void Close() {
    {
      absl::MutexLock lock(&mu_);
      is_done_ = true;
    }
    absl::MutexLock lock(&call_mu_);
    on_verdict_ = nullptr;
  }
  // The end of the stream, unless rank 0 said why.
  void StreamEnded(const absl::Status& status, const std::string& lost) {
    if (welcomed()) End(Over(lost));
    absl::MutexLock lock(&mu_);
    if (!is_welcome_) refusal_ = status;
    stream_ended_ = true;
  }
  // A call that was cancelled ends at once.
  void AwaitStreamEnd() {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(&stream_ended_));
  }

  // False at the deadline.
  bool AwaitWelcome(absl::Duration timeout, v1::RankOrder& welcome) {
    absl::MutexLock lock(&mu_);
    auto is_answered = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return !orders_.empty() || stream_ended_;
    };
    mu_.AwaitWithTimeout(absl::Condition(&is_answered), timeout);
    if (orders_.empty()) return false;
    welcome = std::move(orders_.front());
    orders_.pop_front();
    return is_welcome_ = welcome.has_welcome();
  }
  std::optional<v1::RankOrder> Take(absl::Duration timeout) {
    absl::MutexLock lock(&mu_);
    auto any = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return !orders_.empty() || !verdict_.ok();
    };
    mu_.AwaitWithTimeout(absl::Condition(&any), timeout);
    if (orders_.empty() || !verdict_.ok()) return std::nullopt;
    std::optional<v1::RankOrder> order = std::move(orders_.front());
    orders_.pop_front();
    return order;
  }
  absl::Status AwaitVerdict(absl::Duration timeout) {
    absl::MutexLock lock(&mu_);
    auto is_over = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return !verdict_.ok();
    };
    mu_.AwaitWithTimeout(absl::Condition(&is_over), timeout);
    return verdict_;
  }
  absl::Status refusal() const {
    absl::MutexLock lock(&mu_);
    return refusal_;
  }

 private:
  bool welcomed() const {
    absl::MutexLock lock(&mu_);
    return is_welcome_;
  }

  // Held during the call, so that Close can wait for its end.
  absl::Mutex call_mu_;
  std::function<void(const absl::Status&)> on_verdict_
      ABSL_GUARDED_BY(call_mu_);
  mutable absl::Mutex mu_;
  std::deque<v1::RankOrder> orders_ ABSL_GUARDED_BY(mu_);
  absl::Status verdict_ ABSL_GUARDED_BY(mu_);
  absl::Status refusal_ ABSL_GUARDED_BY(mu_);
  bool is_welcome_ ABSL_GUARDED_BY(mu_) = false;
  bool is_done_ ABSL_GUARDED_BY(mu_) = false;
  bool stream_ended_ ABSL_GUARDED_BY(mu_) = false;
};

// One Join call. Owns itself until OnDone.
class JoinCall final : public grpc::ClientReadReactor<v1::RankOrder> {
 public:
  JoinCall(std::shared_ptr<grpc::ClientContext> context,
           std::shared_ptr<Group> group, std::string lost)
      : context_(std::move(context)),
        group_(std::move(group)),
        lost_(std::move(lost)) {}

  void Start(v1::RankService::Stub& stub, const v1::JoinRequest& request) {
    request_ = request;
    stub.async()->Join(context_.get(), &request_, this);
    StartRead(&order_);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    group_->Push(std::move(order_));
    order_.Clear();
    StartRead(&order_);
  }
  void OnDone(const grpc::Status& status) override {
    const auto group = group_;
    const std::string lost = lost_;
    // First the call and its hold on the channel: whoever awaits the end may
    // take the channel down next.
    delete this;
    group->StreamEnded(FromGrpcStatus(status), lost);
  }

 private:
  const std::shared_ptr<grpc::ClientContext> context_;
  const std::shared_ptr<Group> group_;
  const std::string lost_;
  v1::JoinRequest request_;
  v1::RankOrder order_;
};

v1::JoinRequest RequestOf(const RankIdentity& self) {
  v1::JoinRequest request;
  request.set_rank(static_cast<uint32_t>(self.rank));
  request.set_world_size(static_cast<uint32_t>(self.world_size));
  request.set_host(self.host);
  request.set_process_id(static_cast<uint64_t>(self.process_id));
  request.set_run_id(self.run_id);
  request.set_build(self.build);
  request.set_model_digest(self.model_digest);
  request.set_config_yaml(self.config_yaml);
  return request;
}

class RankMemberImpl final : public RankMember {
 public:
  explicit RankMemberImpl(const Options& options)
      : options_(options),
        channel_(MakeChannel(options.coordinator, options.to_rank0)),
        stub_(v1::RankService::NewStub(channel_)) {}
  ~RankMemberImpl() override {
    {
      absl::MutexLock lock(&mu_);
      closing_ = true;
    }
    if (reporter_.joinable()) reporter_.join();
    if (group_ == nullptr) return;
    group_->Close();
    EndCall();
  }

  absl::Status Join();
  std::string group() const override { return group_name_; }
  absl::StatusOr<v1::RankOrder> NextOrder(absl::Duration grace) override;
  void Doing(const std::string& what) override {
    absl::MutexLock lock(&mu_);
    doing_ = what;
  }
  absl::Status Explain(const absl::Status& error) override;

  absl::Status Set(const std::string& key, const std::string& value) override;
  absl::StatusOr<std::string> Get(const std::string& key,
                                  absl::Time deadline) override;

 private:
  absl::Status TryJoin(absl::Duration timeout);
  void EndCall() {
    context_->TryCancel();
    group_->AwaitStreamEnd();
  }
  void KeepReporting();
  absl::Status Report(v1::RankReport report);
  std::string Rank0() const {
    return absl::StrCat("rank 0 (", options_.coordinator, ")");
  }

  const Options options_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::RankService::Stub> stub_;
  // Set by Join, before any other thread is.
  std::shared_ptr<grpc::ClientContext> context_;
  std::shared_ptr<Group> group_;
  std::string group_name_;
  absl::Duration report_interval_;

  absl::Mutex mu_;
  std::string doing_ ABSL_GUARDED_BY(mu_) = "joining";
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  std::thread reporter_;
};

absl::Status RankMemberImpl::TryJoin(absl::Duration timeout) {
  context_ = std::make_shared<grpc::ClientContext>();
  group_ = std::make_shared<Group>(options_.on_verdict);
  (new JoinCall(context_, group_,
                absl::StrCat("stopped because ", Rank0(), " is gone")))
      ->Start(*stub_, RequestOf(options_.self));
  v1::RankOrder order;
  if (group_->AwaitWelcome(timeout, order)) {
    group_name_ = order.welcome().group();
    report_interval_ = absl::Milliseconds(order.welcome().report_interval_ms());
    return absl::OkStatus();
  }
  EndCall();
  const absl::Status refusal = group_->refusal();
  return refusal.ok() ? absl::UnavailableError("no answer") : refusal;
}

absl::Status RankMemberImpl::Join() {
  const absl::Time deadline = MonotonicNow() + options_.wait;
  absl::Status joined;
  while (true) {
    joined = TryJoin(std::min(kCallDeadline, deadline - MonotonicNow()));
    if (joined.ok()) break;
    const bool may_come = absl::IsUnavailable(joined) ||
                          absl::IsDeadlineExceeded(joined) ||
                          absl::IsUnimplemented(joined);
    if (!may_come) return joined;
    if (MonotonicNow() >= deadline || !SleepUnlessShutdown(kRetryJoin)) {
      return absl::DeadlineExceededError(absl::StrCat(
          "rank ", options_.self.rank, " found no rank 0 at ",
          options_.coordinator, " within ", absl::FormatDuration(options_.wait),
          " (learner.rank_wait_ms): ", joined.message(),
          "; start rank 0 and give its address as --coordinator"));
    }
  }
  reporter_ = std::thread([this] { KeepReporting(); });
  LogInfo("joined the learner", {{"group", group_name_}});
  return absl::OkStatus();
}

absl::Status RankMemberImpl::Report(v1::RankReport report) {
  report.set_rank(static_cast<uint32_t>(options_.self.rank));
  {
    absl::MutexLock lock(&mu_);
    report.set_doing(doing_);
  }
  grpc::ClientContext context;
  SetDeadline(context, std::min(kCallDeadline, options_.silence));
  v1::RankReportResponse response;
  return FromGrpcStatus(stub_->Report(&context, report, &response));
}

// Rank 0 that answers nothing for too long is as good as gone.
void RankMemberImpl::KeepReporting() {
  absl::Time answered = MonotonicNow();
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      mu_.AwaitWithTimeout(absl::Condition(&closing_), report_interval_);
      if (closing_) return;
    }
    v1::RankReport report;
    report.set_leaving(ShutdownRequested() != StopSignal::kNone);
    const absl::Status status = Report(std::move(report));
    if (status.ok() || absl::IsAborted(status)) answered = MonotonicNow();
    if (MonotonicNow() - answered <= options_.silence) continue;
    group_->End(Over(absl::StrCat(
        "stopped because ", Rank0(), " did not answer for ",
        absl::FormatDuration(options_.silence), ": ", status.message())));
    return;
  }
}

absl::StatusOr<v1::RankOrder> RankMemberImpl::NextOrder(absl::Duration grace) {
  absl::Time give_up = absl::InfiniteFuture();
  while (true) {
    std::optional<v1::RankOrder> order = group_->Take(kLookForSignal);
    if (order.has_value()) return *std::move(order);
    RETURN_IF_ERROR(group_->AwaitVerdict(absl::ZeroDuration()));
    if (ShutdownRequested() == StopSignal::kNone) continue;
    give_up = std::min(give_up, MonotonicNow() + grace);
    if (MonotonicNow() < give_up) continue;
    return WithExitCode(
        absl::CancelledError("stopped by a signal; rank 0 did not end the run"),
        ExitCode::kResumable);
  }
}

absl::Status RankMemberImpl::Explain(const absl::Status& error) {
  v1::RankReport report;
  report.set_error_code(static_cast<int32_t>(error.code()));
  report.set_error(std::string(error.message()));
  const absl::Status told = Report(std::move(report));
  if (!absl::IsAborted(error) && !absl::IsDeadlineExceeded(error)) return error;
  const bool reached = told.ok() || absl::IsAborted(told);
  const absl::Status verdict =
      group_->AwaitVerdict(reached ? kAwaitVerdict : absl::ZeroDuration());
  if (!verdict.ok()) return verdict;
  if (reached) return error;
  return Over(absl::StrCat("stopped because ", Rank0(),
                           " does not answer: ", error.message()));
}

absl::Status RankMemberImpl::Set(const std::string& key,
                                 const std::string& value) {
  v1::PutMeetingRequest request;
  request.set_key(key);
  request.set_value(value);
  grpc::ClientContext context;
  SetDeadline(context, kCallDeadline);
  v1::PutMeetingResponse response;
  return FromGrpcStatus(stub_->PutMeeting(&context, request, &response));
}

absl::StatusOr<std::string> RankMemberImpl::Get(const std::string& key,
                                                absl::Time deadline) {
  v1::GetMeetingRequest request;
  request.set_key(key);
  while (true) {
    grpc::ClientContext context;
    SetDeadline(context, kCallDeadline);
    v1::GetMeetingResponse response;
    const absl::Status got =
        FromGrpcStatus(stub_->GetMeeting(&context, request, &response));
    if (got.ok()) return response.value();
    if (!absl::IsNotFound(got)) return got;
    RETURN_IF_ERROR(group_->AwaitVerdict(kPollMeeting));
    if (MonotonicNow() < deadline) continue;
    return absl::DeadlineExceededError(
        absl::StrCat("no rank has set ", key, " in time"));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<RankMember>> RankMember::Join(
    const Options& options) {
  auto member = std::make_unique<RankMemberImpl>(options);
  RETURN_IF_ERROR(member->Join());
  return member;
}

}  // namespace operant::learner
