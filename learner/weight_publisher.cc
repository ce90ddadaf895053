#include "learner/weight_publisher.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/log.h"
#include "common/base/metric_families.h"
#include "common/base/monotonic_clock.h"
#include "common/base/rpc.h"
#include "common/base/status_macros.h"
#include "common/nn/weight_rpc.h"

namespace operant::learner {
namespace {

// Once others have acknowledged, the rest get this many times as long as the
// slowest of those, and a second for what is no question of size.
constexpr int kLaggardFactor = 4;
constexpr absl::Duration kLaggardGrace = absl::Seconds(1);
// How often lost workers are looked for.
constexpr absl::Duration kLook = absl::Milliseconds(50);

const char* FailureReason(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kDeadlineExceeded:
      return "deadline";
    case absl::StatusCode::kDataLoss:
      return "checksum";
    case absl::StatusCode::kUnavailable:
      return "unavailable";
    default:
      return "rejected";
  }
}

}  // namespace

// Shared with gRPC's callback, which may come after the waiting ended.
struct WeightPublisher::Push {
  bool awaited() const { return !answer.has_value() && given_up.ok(); }
  bool acknowledged() const { return answer.has_value() && answer->ok(); }

  const Worker worker;
  const absl::Time start = MonotonicNow();
  const std::shared_ptr<grpc::ClientContext> context =
      std::make_shared<grpc::ClientContext>();
  // The rest is guarded by the publisher's mutex.
  std::optional<absl::StatusOr<v1::PushResponse>> answer;
  absl::Duration took;
  absl::Status given_up;  // why it is not waited for
};

WeightPublisher::WeightPublisher(Coordinator* coordinator,
                                 MetricRegistry* metrics,
                                 const std::string& model_digest,
                                 absl::Duration push_deadline,
                                 ChannelCredentials to_workers)
    : coordinator_(coordinator),
      metrics_(metrics),
      model_digest_(model_digest),
      push_deadline_(push_deadline),
      to_workers_(std::move(to_workers)) {}

WeightPublisher::~WeightPublisher() {
  for (const auto& [id, push] : laggards_) push->context->TryCancel();
}

std::shared_ptr<grpc::Channel> WeightPublisher::ChannelTo(
    const std::string& address) {
  auto& channel = channels_[address];
  if (channel == nullptr) {
    channel = MakeChannel(address, to_workers_, metrics_);
  }
  return channel;
}

// Whether a push of an earlier version to `worker` still runs.
bool WeightPublisher::Lags(const Worker& worker) {
  const auto found = laggards_.find(worker.id);
  if (found == laggards_.end()) return false;
  const Push& push = *found->second;
  absl::MutexLock lock(mu_.get());
  return push.worker.epoch == worker.epoch && !push.answer.has_value();
}

WeightPublisher::Pushes WeightPublisher::StartAll(
    const std::shared_ptr<const SealedWeights>& sealed) {
  Pushes pushes;
  for (const Worker& worker : coordinator_->workers()) {
    if (worker.state == WorkerState::kLost ||
        worker.state == WorkerState::kDraining || Lags(worker))
      continue;
    auto push = std::make_shared<Push>(Push{.worker = worker});
    SetDeadline(*push->context, push_deadline_);
    StartPush(ChannelTo(worker.address), sealed, push->context,
              [push, mu = mu_](absl::StatusOr<v1::PushResponse> answer) {
                absl::MutexLock lock(mu.get());
                push->answer = std::move(answer);
                push->took = MonotonicNow() - push->start;
              });
    pushes.push_back(std::move(push));
  }
  return pushes;
}

void WeightPublisher::Await(const Pushes& pushes) {
  const absl::Time start = MonotonicNow();
  auto over = [&] {
    return std::none_of(pushes.begin(), pushes.end(),
                        [](const auto& push) { return push->awaited(); });
  };
  while (true) {
    {
      absl::MutexLock lock(mu_.get());
      if (mu_->AwaitWithTimeout(absl::Condition(&over), kLook)) return;
    }
    GiveUpLost(pushes);
    GiveUpLaggards(pushes, MonotonicNow() - start);
  }
}

void WeightPublisher::GiveUpLost(const Pushes& pushes) {
  std::set<std::pair<std::string, uint64_t>> live;
  for (const Worker& worker : coordinator_->workers()) {
    if (worker.state != WorkerState::kLost)
      live.emplace(worker.id, worker.epoch);
  }
  Pushes lost;
  {
    absl::MutexLock lock(mu_.get());
    for (const std::shared_ptr<Push>& push : pushes) {
      if (!push->awaited() ||
          live.contains({push->worker.id, push->worker.epoch}))
        continue;
      push->given_up = absl::UnavailableError(
          "the worker was lost or replaced while the push was on its way");
      lost.push_back(push);
    }
  }
  // Not under the lock, which the callback takes.
  for (const std::shared_ptr<Push>& push : lost) push->context->TryCancel();
}

void WeightPublisher::GiveUpLaggards(const Pushes& pushes,
                                     absl::Duration waited) {
  absl::MutexLock lock(mu_.get());
  absl::Duration patience = push_deadline_;
  for (const std::shared_ptr<Push>& push : pushes) {
    if (push->acknowledged()) patience = absl::ZeroDuration();
  }
  for (const std::shared_ptr<Push>& push : pushes) {
    if (push->acknowledged())
      patience = std::max(patience, kLaggardFactor * push->took);
  }
  patience += kLaggardGrace;
  if (waited < patience) return;
  for (const std::shared_ptr<Push>& push : pushes) {
    if (!push->awaited()) continue;
    push->given_up = absl::DeadlineExceededError(absl::StrCat(
        "no answer for ", absl::FormatDuration(waited),
        ", longer than the other workers and the push deadline allow; the "
        "learner goes on, see the link to the worker"));
    laggards_[push->worker.id] = push;
  }
}

void WeightPublisher::CountFailure(const Push& push, uint64_t version,
                                   const absl::Status& cause) {
  // A joiner may have fetched this very version meanwhile: no failure.
  if (absl::IsFailedPrecondition(cause)) return;
  metrics_->Get(metric::kWeightsPushFailuresTotal, {FailureReason(cause)})
      .Increment();
  LogWarning("weight push failed; the worker will fetch",
             {{"worker", push.worker.id},
              {"version", version},
              {"cause", cause.ToString()}});
}

// Why it was given up, if all that came of that is a cancelled call.
absl::StatusOr<v1::PushResponse> WeightPublisher::ResultOf(const Push& push) {
  absl::MutexLock lock(mu_.get());
  if (push.acknowledged() || push.given_up.ok()) return *push.answer;
  return push.given_up;
}

void WeightPublisher::Settle(const Push& push, PublishReport& report) {
  const absl::StatusOr<v1::PushResponse> answer = ResultOf(push);
  if (!answer.ok()) {
    CountFailure(push, report.version, answer.status());
    return;
  }
  ++report.acknowledged;
  report.max_swap_pause_seconds =
      std::max(report.max_swap_pause_seconds, 1e-9 * answer->swap_pause_ns());
  coordinator_->RecordServing(push.worker, answer->policy_version(),
                              answer->manifest_sha256());
}

void WeightPublisher::PushToAll(
    const std::shared_ptr<const SealedWeights>& sealed, PublishReport& report) {
  const Pushes pushes = StartAll(sealed);
  Await(pushes);
  report.workers = static_cast<int>(pushes.size());
  for (const std::shared_ptr<Push>& push : pushes) Settle(*push, report);
  metrics_->Get(metric::kWeightsSentBytesTotal)
      .Increment(static_cast<double>(sealed->manifest.total_bytes()) *
                 report.acknowledged);
}

absl::StatusOr<PublishReport> WeightPublisher::Publish(
    std::shared_ptr<const WeightImage> image, uint64_t version,
    const BeforePush& before_push) {
  const absl::Time start = MonotonicNow();
  ASSIGN_OR_RETURN(const std::shared_ptr<const SealedWeights> sealed,
                   SealWeights(std::move(image), version, model_digest_));
  PublishReport report{.version = version, .digest = sealed->manifest_sha256};
  if (before_push) RETURN_IF_ERROR(before_push(report.digest));
  coordinator_->SetPublished(sealed);
  PushToAll(sealed, report);
  report.seconds = absl::ToDoubleSeconds(MonotonicNow() - start);
  metrics_->Get(metric::kWeightsPublishedVersion)
      .Set(static_cast<double>(version));
  metrics_->Get(metric::kWeightsPushDurationSeconds).Observe(report.seconds);
  return report;
}

}  // namespace operant::learner
