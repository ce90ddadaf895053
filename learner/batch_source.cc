#include "learner/batch_source.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "common/base/failpoint.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "learner/score_items.h"

namespace operant::learner {
namespace {

// Shutdown is looked at this often while waiting.
constexpr absl::Duration kTick = absl::Milliseconds(100);

double SecondsSince(absl::Time start) {
  return absl::ToDoubleSeconds(absl::Now() - start);
}

}  // namespace

BatchSource::BatchSource(const Options& options, const Parts& parts,
                         uint64_t published)
    : options_(options),
      parts_(parts),
      buffer_(parts.metrics, (options.staleness + 1) *
                                 options.prompts_per_step *
                                 options.samples_per_prompt),
      gate_(options.staleness, published),
      generated_(options.first_step),
      // A finished batch waits at most for the step that is being trained: the
      // gate lets no more than the bound be under way.
      queue_(options.staleness + 1),
      thread_([this] { Run(); }) {}

BatchSource::~BatchSource() {
  stopping_ = true;
  gate_.Close();
  queue_.Close();
  thread_.join();
}

void BatchSource::Published(uint64_t version) { gate_.Published(version); }

absl::Status BatchSource::AwaitGenerated(uint64_t step) {
  if (options_.end_step > 0) step = std::min(step, options_.end_step - 1);
  absl::MutexLock lock(&mu_);
  auto known = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return generated_ > step || !failed_.ok();
  };
  mu_.Await(absl::Condition(&known));
  return generated_ > step ? absl::OkStatus() : failed_;
}

absl::StatusOr<ScoredBatch> BatchSource::Next() {
  while (ShutdownRequested() == StopSignal::kNone) {
    auto batch = queue_.Pop(absl::Now() + kTick);
    if (!batch.has_value()) continue;
    if (batch->ok()) {
      buffer_.Taken((*batch)->trajectories.size(),
                    absl::Now() - (*batch)->began);
    }
    return *std::move(batch);
  }
  return absl::CancelledError("stopped by a signal");
}

void BatchSource::Run() {
  uint64_t cursor = options_.first_cursor;
  for (uint64_t step = options_.first_step;; ++step) {
    if (options_.end_step > 0 && step >= options_.end_step) return;
    if (!gate_.AwaitTurn(step, absl::InfiniteFuture())) return;
    absl::StatusOr<ScoredBatch> batch = Make(step, cursor);
    const bool failed = !batch.ok();
    if (failed) {
      absl::MutexLock lock(&mu_);
      failed_ = batch.status();
    }
    cursor += options_.prompts_per_step;
    if (!queue_.Push(std::move(batch), absl::InfiniteFuture()) || failed)
      return;
  }
}

absl::StatusOr<ScoredBatch> BatchSource::Make(uint64_t step, uint64_t cursor) {
  ScoredBatch batch;
  batch.step = step;
  batch.next_cursor = cursor + options_.prompts_per_step;
  batch.began = absl::Now();
  const size_t responses =
      size_t{1} * options_.prompts_per_step * options_.samples_per_prompt;
  buffer_.Leased(responses);
  RETURN_IF_ERROR(Generate(batch, cursor));
  {
    absl::MutexLock lock(&mu_);
    generated_ = step + 1;
  }
  RETURN_IF_ERROR(Failpoint("source.generated"));
  buffer_.Generated(responses);
  RETURN_IF_ERROR(Score(batch));
  RETURN_IF_ERROR(Failpoint("source.scored"));
  buffer_.Scored(responses);
  return batch;
}

absl::Status BatchSource::Generate(ScoredBatch& batch, uint64_t cursor) {
  const absl::Time start = absl::Now();
  GenerationPlan plan;
  plan.run_id = options_.run_id;
  plan.run_seed = options_.run_seed;
  plan.rules.min_policy_version = gate_.OldestVersion(batch.step);
  plan.rules.vocab_size = options_.vocab_size;
  plan.rules.sampling = options_.sampling;
  for (int i = 0; i < options_.prompts_per_step; ++i) {
    const PromptRow& row = parts_.prompts->At(cursor + i);
    plan.prompts.push_back({.cursor = cursor + i,
                            .token_ids = row.prompt_token_ids,
                            .samples = options_.samples_per_prompt});
    batch.rows.insert(batch.rows.end(), options_.samples_per_prompt, &row);
  }
  plan.ledger = parts_.ledger;
  plan.step = batch.step;
  plan.cancelled = [this] { return stopping_.load(); };
  // A checkpoint of the step that is being trained needs these responses.
  plan.through_shutdown = options_.one_version && options_.staleness > 0;
  ASSIGN_OR_RETURN(batch.trajectories, parts_.rollouts->Generate(plan));
  batch.generate_seconds = SecondsSince(start);
  return absl::OkStatus();
}

absl::Status BatchSource::Score(ScoredBatch& batch) {
  const absl::Time start = absl::Now();
  std::vector<v1::ScoreItem> items =
      MakeScoreItems(batch.trajectories, batch.rows, *parts_.tokenizer);
  batch.responses.reserve(items.size());
  for (const v1::ScoreItem& item : items)
    batch.responses.push_back(item.response());
  ASSIGN_OR_RETURN(batch.scores,
                   parts_.rewards->Score(std::move(items), batch.step,
                                         /*eval=*/false));
  batch.score_seconds = SecondsSince(start);
  return absl::OkStatus();
}

}  // namespace operant::learner
