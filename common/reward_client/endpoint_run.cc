#include "common/reward_client/endpoint_run.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "common/base/status_macros.h"

namespace operant {
namespace {

// Whether the job was abandoned and what the server takes at once are looked at
// this often.
constexpr absl::Duration kTick = absl::Milliseconds(50);

}  // namespace

EndpointRun::EndpointRun(EndpointClient* client, const ScoreJob& job,
                         const Options& options, std::atomic<bool>* abandoned)
    : client_(client),
      job_(job),
      stop_at_error_(options.stop_at_error),
      abandoned_(abandoned),
      queue_(options.limits, options.group_items) {}

EndpointRun::~EndpointRun() {
  Finish();
  absl::MutexLock lock(&mu_);
  client_->metrics().AddPending(-items_);
}

absl::Status EndpointRun::Put(int index) {
  absl::MutexLock lock(&mu_);
  const bool none_ready = queue_.ready_items() == 0;
  RETURN_IF_ERROR(queue_.Add(index, job_.items[index]));
  if (none_ready) due_ = absl::Now() + kLinger;
  ++items_;
  client_->metrics().AddPending(1);
  return absl::OkStatus();
}

// As many threads as there may be calls with what is there.
void EndpointRun::Start() {
  absl::MutexLock lock(&mu_);
  const size_t batches = (queue_.ready_items() + queue_.items_per_batch() - 1) /
                         queue_.items_per_batch();
  const size_t wanted =
      std::min<size_t>(client_->most_inflight(), calls_ + batches);
  while (lanes_.size() < wanted) lanes_.emplace_back([this] { Work(); });
  changed_.SignalAll();
}

void EndpointRun::Finish() {
  {
    absl::MutexLock lock(&mu_);
    queue_.Close();
    closed_ = true;
  }
  Start();
  for (std::thread& lane : lanes_) lane.join();
  lanes_.clear();
}

absl::Status EndpointRun::error() const {
  absl::MutexLock lock(&mu_);
  return error_;
}

void EndpointRun::TakeAnswers(
    const std::function<void(int index, ItemAnswer)>& take) {
  absl::MutexLock lock(&mu_);
  for (auto& [index, answer] : answers_) take(index, std::move(answer));
  answers_.clear();
}

void EndpointRun::Work() {
  while (true) {
    const std::vector<int> batch = NextBatch();
    if (batch.empty()) return;
    File(batch, client_->Score(job_, batch));
  }
}

// Waits for a batch that may go now. Empty: there will be no more.
std::vector<int> EndpointRun::NextBatch() {
  absl::MutexLock lock(&mu_);
  while (!abandoned_->load()) {
    const absl::Time now = absl::Now();
    if (MayTake(now)) {
      ++calls_;
      return queue_.Take();
    }
    if (closed_ && queue_.ready_items() == 0) break;
    const bool lingers = queue_.ready_items() > 0 && due_ > now;
    changed_.WaitWithTimeout(&mu_, lingers ? due_ - now : kTick);
  }
  return {};
}

bool EndpointRun::MayTake(absl::Time now) const {
  if (queue_.ready_items() == 0) return false;
  if (closed_) return true;
  const int limit = client_->inflight_limit();
  const bool full = queue_.ready_items() >= queue_.items_per_batch();
  if (limit <= 1) return full && calls_ == 0;
  return calls_ < limit - 1 && (full || now >= due_);
}

void EndpointRun::File(const std::vector<int>& batch,
                       std::vector<ItemAnswer> answers) {
  absl::MutexLock lock(&mu_);
  --calls_;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (stop_at_error_ && error_.ok()) error_ = answers[i].status;
    answers_.emplace_back(batch[i], std::move(answers[i]));
  }
  if (!error_.ok()) abandoned_->store(true);
  changed_.SignalAll();
}

}  // namespace operant
