#include "rollout/weight_fetcher.h"

#include <algorithm>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/nn/weight_rpc.h"

namespace operant::rollout {

bool FetchSchedule::ShouldFetch(const WeightLoader::Status& status,
                                absl::Time now) {
  if (!status.behind || status.incoming.has_value()) {
    behind_since_ = absl::InfiniteFuture();
    return false;
  }
  behind_since_ = std::min(behind_since_, now);
  if (status.active.has_value() && now - behind_since_ < grace_) return false;
  behind_since_ = now;  // a failed fetch waits for a further grace
  return true;
}

WeightFetcher::WeightFetcher(Options options)
    : options_(std::move(options)),
      schedule_(options_.grace),
      thread_([this] { Run(); }) {}

WeightFetcher::~WeightFetcher() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    if (context_ != nullptr) context_->TryCancel();
  }
  thread_.join();
}

void WeightFetcher::OnPublished(const PolicyVersion& published,
                                absl::Time now) {
  options_.loader->Publish(published);
  const WeightLoader::Status status = options_.loader->status();
  absl::MutexLock lock(&mu_);
  due_ = schedule_.ShouldFetch(status, now);
}

void WeightFetcher::Run() {
  while (true) {
    grpc::ClientContext context;
    {
      absl::MutexLock lock(&mu_);
      auto awake = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
        return due_ || stopping_;
      };
      mu_.Await(absl::Condition(&awake));
      if (stopping_) return;
      due_ = false;
      context_ = &context;
    }
    Fetch(context);
    absl::MutexLock lock(&mu_);
    context_ = nullptr;
  }
}

void WeightFetcher::Fetch(grpc::ClientContext& context) {
  const absl::Status status = Receive(context, absl::Now() + options_.deadline);
  if (status.ok()) return;
  LogWarning("weights not fetched", {{"status", status.ToString()}});
}

absl::Status WeightFetcher::Receive(grpc::ClientContext& context,
                                    absl::Time deadline) {
  v1::FetchRequest request;
  request.set_worker_id(options_.worker_id);
  const WeightLoader::Status status = options_.loader->status();
  if (!status.behind) return absl::OkStatus();  // a push was faster
  // `newer_than` orders versions of one history only; after a rejoin the
  // worker asks as one without weights.
  const std::unique_ptr<WeightTransfer> transfer = options_.loader->Begin();
  context.set_deadline(absl::ToChronoTime(deadline));
  RETURN_IF_ERROR(FetchWeights(
      options_.source, request, context,
      [&](const grpc::ByteBuffer& frame) { return transfer->Add(frame); }));
  absl::Notification finished;
  absl::Status result;
  transfer->Load(deadline, [&](absl::StatusOr<WeightLoader::Loaded> loaded) {
    result = loaded.status();
    finished.Notify();
  });
  finished.WaitForNotification();  // bounded by the swap's deadline
  return result;
}

}  // namespace operant::rollout
