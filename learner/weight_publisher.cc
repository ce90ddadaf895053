#include "learner/weight_publisher.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/log.h"
#include "common/base/metric_families.h"
#include "common/base/rpc.h"
#include "common/base/status_macros.h"
#include "common/nn/weight_rpc.h"

namespace operant::learner {
namespace {

// Answers of the pushes of one version. Shared with gRPC's callbacks, which may
// come after the waiting ended.
struct Answers {
  absl::Mutex mu;
  size_t pending ABSL_GUARDED_BY(mu) = 0;
  std::vector<absl::StatusOr<v1::PushResponse>> by_worker ABSL_GUARDED_BY(mu);
};

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

std::shared_ptr<grpc::Channel> WeightPublisher::ChannelTo(
    const std::string& address) {
  auto& channel = channels_[address];
  if (channel == nullptr) {
    channel = MakeChannel(address, to_workers_, metrics_);
  }
  return channel;
}

void WeightPublisher::CountFailure(const absl::Status& status) {
  metrics_->Get(metric::kWeightsPushFailuresTotal, {FailureReason(status)})
      .Increment();
}

void WeightPublisher::PushToAll(std::shared_ptr<const SealedWeights> sealed,
                                PublishReport& report) {
  std::vector<Worker> targets;
  for (Worker& worker : coordinator_->workers()) {
    if (worker.state != WorkerState::kLost &&
        worker.state != WorkerState::kDraining)
      targets.push_back(std::move(worker));
  }
  const auto bytes = static_cast<double>(sealed->manifest.total_bytes());
  const absl::Time deadline = absl::Now() + push_deadline_;
  auto answers = std::make_shared<Answers>();
  {
    absl::MutexLock lock(&answers->mu);
    answers->pending = targets.size();
    answers->by_worker.resize(targets.size(),
                              absl::DeadlineExceededError("no answer"));
  }
  for (size_t i = 0; i < targets.size(); ++i) {
    StartPush(ChannelTo(targets[i].address), sealed, deadline,
              [answers, i](absl::StatusOr<v1::PushResponse> response) {
                absl::MutexLock lock(&answers->mu);
                answers->by_worker[i] = std::move(response);
                --answers->pending;
              });
  }
  std::vector<absl::StatusOr<v1::PushResponse>> results;
  {
    absl::MutexLock lock(&answers->mu);
    auto all = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(answers->mu) {
      return answers->pending == 0;
    };
    answers->mu.AwaitWithDeadline(absl::Condition(&all),
                                  deadline + absl::Seconds(1));
    results = answers->by_worker;
  }
  report.workers = static_cast<int>(targets.size());
  for (size_t i = 0; i < targets.size(); ++i) {
    const absl::StatusOr<v1::PushResponse>& answer = results[i];
    if (!answer.ok()) {
      // A joiner may have fetched this very version meanwhile: no failure.
      if (absl::IsFailedPrecondition(answer.status())) continue;
      CountFailure(answer.status());
      LogWarning("weight push failed; the worker will fetch",
                 {{"worker", targets[i].id},
                  {"version", report.version},
                  {"cause", answer.status().ToString()}});
      continue;
    }
    ++report.acknowledged;
    metrics_->Get(metric::kWeightsSentBytesTotal).Increment(bytes);
    report.max_swap_pause_seconds =
        std::max(report.max_swap_pause_seconds, 1e-9 * answer->swap_pause_ns());
    coordinator_->RecordServing(targets[i], answer->policy_version(),
                                answer->manifest_sha256());
  }
}

absl::StatusOr<PublishReport> WeightPublisher::Publish(
    std::shared_ptr<const WeightImage> image, uint64_t version,
    const BeforePush& before_push) {
  const absl::Time start = absl::Now();
  ASSIGN_OR_RETURN(std::shared_ptr<const SealedWeights> sealed,
                   SealWeights(std::move(image), version, model_digest_));
  PublishReport report{.version = version, .digest = sealed->manifest_sha256};
  if (before_push) RETURN_IF_ERROR(before_push(report.digest));
  coordinator_->SetPublished(sealed);
  PushToAll(std::move(sealed), report);
  report.seconds = absl::ToDoubleSeconds(absl::Now() - start);
  metrics_->Get(metric::kWeightsPublishedVersion)
      .Set(static_cast<double>(version));
  metrics_->Get(metric::kWeightsPushDurationSeconds).Observe(report.seconds);
  return report;
}

}  // namespace operant::learner
