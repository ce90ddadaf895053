#include "rollout/generation_engine.h"

#include <algorithm>
#include <deque>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "rollout/decode_batch.h"
#include "rollout/engine_metrics.h"

namespace operant::rollout {
namespace {

// New prompt tokens that one step runs, so that a burst of long prompts does
// not hold up the sequences that are being decoded.
constexpr int64_t kPromptTokensPerStep = 1024;
// How long an idle engine waits before it looks again.
constexpr absl::Duration kIdleWait = absl::Seconds(1);
// A decode step that takes longer means that the engine hangs.
constexpr absl::Duration kStepLimit = absl::Seconds(60);

int64_t MaxPositions(const GenerationEngine::Options& options) {
  const int64_t model = options.model.max_position_embeddings;
  const int64_t slot = options.inference.max_positions;
  return slot > 0 ? std::min(slot, model) : model;
}

class Engine : public GenerationEngine {
 public:
  Engine(const Options& options, std::unique_ptr<InferenceModel> model,
         MetricRegistry* metrics, Health* health)
      : options_(options),
        max_positions_(MaxPositions(options)),
        model_(std::move(model)),
        metrics_(metrics),
        health_(health),
        batch_({model_.get(), options.inference.slots, max_positions_,
                options.worker_id}),
        thread_([this] { Loop(); }) {}

  ~Engine() override {
    {
      absl::MutexLock lock(&mu_);
      stopping_ = true;
    }
    thread_.join();
  }

  absl::Status Submit(std::vector<SampleRequest> samples) override {
    for (const SampleRequest& sample : samples) {
      RETURN_IF_ERROR(
          CheckSample(sample, options_.model.vocab_size, max_positions_));
    }
    const absl::Time now = absl::Now();
    absl::MutexLock lock(&mu_);
    RETURN_IF_ERROR(CheckAcceptingLocked(samples.size()));
    for (SampleRequest& sample : samples) {
      auto live = std::make_shared<LiveSample>();
      live->request = std::move(sample);
      live->accepted = now;
      waiting_.push_back(std::move(live));
      ++unreported_;
    }
    metrics_.waiting.Set(static_cast<double>(waiting_.size()));
    return absl::OkStatus();
  }

  int Cancel(const std::vector<std::string>& trajectory_ids) override {
    const absl::flat_hash_set<std::string> ids(trajectory_ids.begin(),
                                               trajectory_ids.end());
    absl::MutexLock lock(&mu_);
    return CancelLocked([&](const LiveSample& sample) {
      return ids.contains(sample.request.trajectory_id);
    });
  }

  int AbortAll() override {
    absl::MutexLock lock(&mu_);
    return CancelLocked([](const LiveSample&) { return true; });
  }

  absl::StatusOr<int64_t> Swap(ActivePolicy policy,
                               absl::Time deadline) override {
    if (policy.weights == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(
          "swap: version=", policy.version, ", expected packed weights"));
    }
    PendingSwap swap{std::move(policy)};
    absl::MutexLock lock(&mu_);
    const auto turn = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return stopping_ || swap_ == nullptr;
    };
    mu_.AwaitWithDeadline(absl::Condition(&turn), deadline);
    if (!stopping_ && swap_ == nullptr) {
      swap_ = &swap;
      const auto done = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
        return stopping_ || swap.done;
      };
      mu_.AwaitWithDeadline(absl::Condition(&done), deadline);
      if (swap.done) return swap.pause_ns;
      swap_ = nullptr;
    }
    if (stopping_) return StoppingError("swap");
    return absl::DeadlineExceededError(absl::StrCat(
        "swap: version=", swap.policy.version,
        ", no decode boundary before the deadline; the old version is active"));
  }

  absl::StatusOr<std::shared_ptr<const PackedWeights>> Pack(
      const WeightImage& weights) const override {
    return model_->Pack(weights);
  }

  Status status() const override {
    absl::MutexLock lock(&mu_);
    Status status = status_;
    status.slots = options_.inference.slots;
    status.running = static_cast<int>(running_.size());
    status.waiting = static_cast<int>(waiting_.size());
    return status;
  }

  bool WaitIdle(absl::Time deadline) override {
    absl::MutexLock lock(&mu_);
    const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return unreported_ == 0;
    };
    return mu_.AwaitWithDeadline(absl::Condition(&idle), deadline);
  }

 private:
  // On the stack of the caller of Swap, who waits for `done`.
  struct PendingSwap {
    ActivePolicy policy;
    bool done = false;
    int64_t pause_ns = 0;
  };

  static absl::Status StoppingError(const char* what) {
    return absl::UnavailableError(
        absl::StrCat(what, ": the engine is stopping; try another worker"));
  }

  absl::Status CheckAcceptingLocked(size_t samples) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (stopping_) return StoppingError("submit");
    if (!status_.has_weights) {
      return absl::FailedPreconditionError(
          "submit: no active weights yet; push a version first");
    }
    if (waiting_.size() + samples <= options_.queue_samples) {
      return absl::OkStatus();
    }
    return absl::ResourceExhaustedError(
        absl::StrCat("submit: samples=", samples, ", waiting=", waiting_.size(),
                     ", expected at most ", options_.queue_samples,
                     " waiting; try another worker or retry later"));
  }

  template <typename Predicate>
  int CancelLocked(const Predicate& wanted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    int cancelled = 0;
    const auto cancel = [&](LiveSample& sample) {
      if (wanted(sample) && !sample.cancelled.exchange(true)) ++cancelled;
    };
    for (const auto& sample : waiting_) cancel(*sample);
    for (const auto& sample : running_) cancel(*sample);
    cancel_pending_ = cancel_pending_ || cancelled > 0;
    return cancelled;
  }

  // The engine's thread from here on.
  void Loop() {
    if (health_ != nullptr) {
      health_->ExpectProgress(kStepLimit);
      health_->Idle();
    }
    std::vector<FinishedSample> finished;
    while (AtBoundary(finished)) {
      Refill();
      if (batch_.running() > 0) Step(finished);
      Report(finished);
    }
    Report(finished);
  }

  // What happens between two steps but for the refill: swap and cancel. Waits
  // if there is nothing to do. False when stopping, with everything aborted.
  bool AtBoundary(std::vector<FinishedSample>& finished) {
    absl::MutexLock lock(&mu_);
    if (batch_.running() == 0) WaitForWorkLocked();
    if (stopping_) {
      CancelLocked([](const LiveSample&) { return true; });
    }
    if (cancel_pending_) DropCancelledLocked(finished);
    if (!stopping_) ApplySwapLocked();
    return !stopping_;
  }

  void WaitForWorkLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const auto work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return stopping_ || cancel_pending_ || swap_ != nullptr ||
             !waiting_.empty();
    };
    if (work()) return;
    metrics_.running.Set(0);
    metrics_.cache_usage.Set(0);
    if (health_ != nullptr) health_->Idle();
    while (!mu_.AwaitWithTimeout(absl::Condition(&work), kIdleWait)) {
    }
    if (health_ != nullptr) health_->Progress();
  }

  void DropCancelledLocked(std::vector<FinishedSample>& finished)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    cancel_pending_ = false;
    batch_.Abort(DecodeBatch::Which::kCancelled, finished);
    for (const auto& sample : waiting_) {
      if (!sample->cancelled) continue;
      v1::Trajectory trajectory =
          NewTrajectory(sample->request, options_.worker_id);
      trajectory.set_finish(v1::FINISH_REASON_ABORTED);
      finished.push_back({sample, std::move(trajectory), absl::OkStatus()});
    }
    std::erase_if(waiting_,
                  [](const auto& sample) { return sample->cancelled.load(); });
  }

  // While sequences drain before a swap nothing is admitted, so its turn comes.
  void ApplySwapLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (swap_ == nullptr) return;
    if (options_.drain_before_swap && batch_.running() > 0) return;
    const absl::Time start = absl::Now();
    batch_.Use(swap_->policy);
    status_.has_weights = true;
    status_.version = swap_->policy.version;
    status_.weights_digest = swap_->policy.weights_digest;
    const absl::Duration pause = absl::Now() - start;
    swap_->pause_ns = absl::ToInt64Nanoseconds(pause);
    swap_->done = true;
    swap_ = nullptr;
    metrics_.swap_pause.Observe(absl::ToDoubleSeconds(pause));
  }

  void Refill() {
    int64_t prompt_tokens = 0;
    while (batch_.free_slots() > 0 && prompt_tokens < kPromptTokensPerStep) {
      std::shared_ptr<LiveSample> sample = TakeWaiting();
      if (sample == nullptr) break;
      prompt_tokens += batch_.Admit(std::move(sample));
    }
    metrics_.prompt_tokens.Increment(static_cast<double>(prompt_tokens));
  }

  // Null if none waits, or while running sequences drain before a swap.
  std::shared_ptr<LiveSample> TakeWaiting() {
    absl::MutexLock lock(&mu_);
    const bool draining = options_.drain_before_swap && swap_ != nullptr;
    if (waiting_.empty() || draining) return nullptr;
    std::shared_ptr<LiveSample> sample = std::move(waiting_.front());
    waiting_.pop_front();
    running_.insert(sample);
    metrics_.waiting.Set(static_cast<double>(waiting_.size()));
    metrics_.queue_duration.Observe(
        absl::ToDoubleSeconds(absl::Now() - sample->accepted));
    return sample;
  }

  void Step(std::vector<FinishedSample>& finished) {
    const int running = batch_.running();
    const absl::Time start = absl::Now();
    batch_.Step(finished);
    const absl::Time now = absl::Now();
    metrics_.inter_token.Observe(absl::ToDoubleSeconds(now - start));
    for (const auto& sample : batch_.started()) {
      metrics_.time_to_first_token.Observe(
          absl::ToDoubleSeconds(now - sample->accepted));
    }
    metrics_.generated_tokens.Increment(running);
    metrics_.decode_batch.Observe(running);
    metrics_.running.Set(batch_.running());
    metrics_.cache_usage.Set(batch_.CacheUsage());
    metrics_.last_progress.Set(UnixSeconds(now));
    if (health_ != nullptr) health_->Progress();
  }

  // Hands over what has finished; only then does it count as gone.
  void Report(std::vector<FinishedSample>& finished) {
    if (finished.empty()) return;
    const absl::Time now = absl::Now();
    for (FinishedSample& f : finished) {
      Count(f, now);
      f.sample->request.on_finished(std::move(f.trajectory));
    }
    absl::MutexLock lock(&mu_);
    for (const FinishedSample& f : finished) running_.erase(f.sample);
    unreported_ -= finished.size();
    finished.clear();
  }

  void Count(const FinishedSample& f, absl::Time now) {
    if (!f.error.ok()) {
      LogError("sample failed", {{"trajectory_id", f.trajectory.id()},
                                 {"error", std::string(f.error.message())}});
      return metrics_.failed.Increment();
    }
    const v1::FinishReason reason = f.trajectory.finish();
    if (reason == v1::FINISH_REASON_ABORTED) {
      return metrics_.aborted.Increment();
    }
    (reason == v1::FINISH_REASON_STOP ? metrics_.stopped : metrics_.at_length)
        .Increment();
    metrics_.sequence_duration.Observe(
        absl::ToDoubleSeconds(now - f.sample->accepted));
  }

  const Options options_;
  const int64_t max_positions_;
  const std::unique_ptr<InferenceModel> model_;
  EngineMetrics metrics_;  // thread-safe
  Health* const health_;
  DecodeBatch batch_;  // only touched by the engine's thread

  mutable absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool cancel_pending_ ABSL_GUARDED_BY(mu_) = false;
  PendingSwap* swap_ ABSL_GUARDED_BY(mu_) = nullptr;
  Status status_ ABSL_GUARDED_BY(mu_);  // the weights' part only
  std::deque<std::shared_ptr<LiveSample>> waiting_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_set<std::shared_ptr<LiveSample>> running_
      ABSL_GUARDED_BY(mu_);  // in a slot, or finished and not yet reported
  size_t unreported_ ABSL_GUARDED_BY(mu_) = 0;  // accepted, callback not called

  std::thread thread_;  // last: it uses the rest
};

}  // namespace

absl::StatusOr<std::unique_ptr<GenerationEngine>> GenerationEngine::Create(
    const Options& options, MetricRegistry* metrics, Health* health) {
  ASSIGN_OR_RETURN(std::unique_ptr<InferenceModel> model,
                   InferenceModel::Create(options.model, options.inference));
  return std::make_unique<Engine>(options, std::move(model), metrics, health);
}

}  // namespace operant::rollout
