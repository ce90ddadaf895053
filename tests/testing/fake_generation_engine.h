// An engine without a model: samples wait until the test finishes them, so that
// a test decides what happens when.
#ifndef OPERANT_TESTS_TESTING_FAKE_GENERATION_ENGINE_H_
#define OPERANT_TESTS_TESTING_FAKE_GENERATION_ENGINE_H_

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rollout/generation_engine.h"

namespace operant::rollout {

class FakePackedWeights : public PackedWeights {
 public:
  explicit FakePackedWeights(const WeightImage& image)
      : bytes(image.bytes().begin(), image.bytes().end()) {}
  const std::vector<std::byte> bytes;
};

// Thread-safe.
class FakeGenerationEngine : public GenerationEngine {
 public:
  ~FakeGenerationEngine() override { AbortAll(); }

  absl::Status Submit(std::vector<SampleRequest> samples) override {
    absl::MutexLock lock(&mu_);
    if (!submit_error_.ok()) return submit_error_;
    for (SampleRequest& sample : samples) {
      waiting_.push_back(std::move(sample));
    }
    return absl::OkStatus();
  }

  int Cancel(const std::vector<std::string>& trajectory_ids) override {
    std::vector<SampleRequest> cancelled;
    {
      absl::MutexLock lock(&mu_);
      for (const std::string& id : trajectory_ids) TakeLocked(id, cancelled);
    }
    for (SampleRequest& sample : cancelled) {
      Report(sample, v1::FINISH_REASON_ABORTED);
    }
    return static_cast<int>(cancelled.size());
  }

  absl::StatusOr<int64_t> Swap(ActivePolicy policy, absl::Time) override {
    absl::MutexLock lock(&mu_);
    if (!swap_error_.ok()) return swap_error_;
    active_ = std::move(policy);
    return 1000;
  }

  absl::StatusOr<std::shared_ptr<const PackedWeights>> Pack(
      const WeightImage& weights) const override {
    return std::make_shared<FakePackedWeights>(weights);
  }

  Status status() const override {
    absl::MutexLock lock(&mu_);
    return {.has_weights = active_.weights != nullptr,
            .version = active_.version,
            .weights_digest = active_.weights_digest,
            .slots = 4,
            .running = 0,
            .waiting = static_cast<int>(waiting_.size())};
  }

  bool WaitIdle(absl::Time deadline) override {
    absl::MutexLock lock(&mu_);
    auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return waiting_.empty();
    };
    return mu_.AwaitWithDeadline(absl::Condition(&idle), deadline);
  }

  int AbortAll() override {
    std::vector<std::string> ids;
    {
      absl::MutexLock lock(&mu_);
      for (const SampleRequest& s : waiting_) ids.push_back(s.trajectory_id);
    }
    return Cancel(ids);
  }

  // Waits until at least `count` samples wait. False at the deadline.
  bool AwaitWaiting(size_t count, absl::Time deadline) {
    absl::MutexLock lock(&mu_);
    auto enough = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return waiting_.size() >= count;
    };
    return mu_.AwaitWithDeadline(absl::Condition(&enough), deadline);
  }

  // Finishes a waiting sample with one stop token.
  void FinishSample(const std::string& trajectory_id) {
    std::vector<SampleRequest> finished;
    {
      absl::MutexLock lock(&mu_);
      TakeLocked(trajectory_id, finished);
    }
    for (SampleRequest& s : finished) Report(s, v1::FINISH_REASON_STOP);
  }

  void set_submit_error(absl::Status error) {
    absl::MutexLock lock(&mu_);
    submit_error_ = std::move(error);
  }
  void set_swap_error(absl::Status error) {
    absl::MutexLock lock(&mu_);
    swap_error_ = std::move(error);
  }
  ActivePolicy active() const {
    absl::MutexLock lock(&mu_);
    return active_;
  }

 private:
  void TakeLocked(const std::string& id, std::vector<SampleRequest>& taken)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const auto it = std::find_if(
        waiting_.begin(), waiting_.end(),
        [&](const SampleRequest& s) { return s.trajectory_id == id; });
    if (it == waiting_.end()) return;
    taken.push_back(std::move(*it));
    waiting_.erase(it);
  }

  void Report(SampleRequest& sample, v1::FinishReason finish) {
    v1::Trajectory trajectory;
    trajectory.set_id(sample.trajectory_id);
    trajectory.set_finish(finish);
    if (finish == v1::FINISH_REASON_STOP) {
      trajectory.add_response_token_ids(2);
      trajectory.add_response_logprobs(-1);
    }
    sample.on_finished(std::move(trajectory));
  }

  mutable absl::Mutex mu_;
  std::vector<SampleRequest> waiting_ ABSL_GUARDED_BY(mu_);
  ActivePolicy active_ ABSL_GUARDED_BY(mu_);
  absl::Status submit_error_ ABSL_GUARDED_BY(mu_);
  absl::Status swap_error_ ABSL_GUARDED_BY(mu_);
};

}  // namespace operant::rollout

#endif  // OPERANT_TESTS_TESTING_FAKE_GENERATION_ENGINE_H_
