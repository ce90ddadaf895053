#include "common/reward_client/endpoint_run.h"

#include <algorithm>
#include <utility>

namespace operant {

EndpointRun::EndpointRun(EndpointClient* client,
                         std::vector<std::vector<int>> batches)
    : client_(client), batches_(std::move(batches)), answers_(batches_.size()) {
  client_->metrics().AddPending(items());
}

EndpointRun::~EndpointRun() { client_->metrics().AddPending(-items()); }

size_t EndpointRun::lanes() const {
  return std::min<size_t>(client_->most_inflight(), batches_.size());
}

void EndpointRun::Work(const ScoreJob& job, bool stop_at_error,
                       std::atomic<bool>& abandoned) {
  const auto failed = [](const ItemAnswer& a) { return !a.status.ok(); };
  while (!abandoned) {
    const size_t i = next_++;
    if (i >= batches_.size()) return;
    answers_[i] = client_->Score(job, batches_[i]);
    if (stop_at_error &&
        std::any_of(answers_[i].begin(), answers_[i].end(), failed)) {
      abandoned = true;
    }
  }
}

void EndpointRun::TakeAnswers(
    const std::function<void(int index, ItemAnswer)>& take) {
  for (size_t b = 0; b < batches_.size(); ++b) {
    for (size_t i = 0; i < answers_[b].size(); ++i) {
      take(batches_[b][i], std::move(answers_[b][i]));
    }
  }
}

int EndpointRun::items() const {
  int items = 0;
  for (const std::vector<int>& batch : batches_) items += batch.size();
  return items;
}

}  // namespace operant
