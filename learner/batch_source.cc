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
      // A step that is ahead waits at most for the one that is being trained:
      // the gate lets no more than the bound be under way.
      generated_steps_(options.staleness + 1),
      scored_steps_(options.staleness + 1),
      generating_([this] { GenerateSteps(); }),
      scoring_([this] { ScoreSteps(); }) {}

BatchSource::~BatchSource() {
  stopping_ = true;
  gate_.Close();
  generated_steps_.Close();
  scored_steps_.Close();
  generating_.join();
  scoring_.join();
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
    auto batch = scored_steps_.Pop(absl::Now() + kTick);
    if (!batch.has_value()) continue;
    if (batch->ok()) {
      buffer_.Taken((*batch)->trajectories.size(),
                    absl::Now() - (*batch)->began);
    }
    return *std::move(batch);
  }
  return absl::CancelledError("stopped by a signal");
}

void BatchSource::Failed(const absl::Status& status) {
  absl::MutexLock lock(&mu_);
  if (failed_.ok()) failed_ = status;
}

size_t BatchSource::responses() const {
  return size_t{1} * options_.prompts_per_step * options_.samples_per_prompt;
}

void BatchSource::GenerateSteps() {
  uint64_t cursor = options_.first_cursor;
  for (uint64_t step = options_.first_step;; ++step) {
    if (options_.end_step > 0 && step >= options_.end_step) return;
    if (!gate_.AwaitTurn(step, absl::InfiniteFuture())) return;
    absl::StatusOr<Generated> generated = Generate(step, cursor);
    const bool failed = !generated.ok();
    if (failed) Failed(generated.status());
    cursor += options_.prompts_per_step;
    if (!generated_steps_.Push(std::move(generated), absl::InfiniteFuture()) ||
        failed)
      return;
  }
}

void BatchSource::ScoreSteps() {
  while (!stopping_) {
    auto generated = generated_steps_.Pop(absl::Now() + kTick);
    if (!generated.has_value()) continue;
    absl::StatusOr<ScoredBatch> batch =
        generated->ok() ? Score(*std::move(*generated)) : generated->status();
    const bool failed = !batch.ok();
    if (failed) Failed(batch.status());
    if (!scored_steps_.Push(std::move(batch), absl::InfiniteFuture()) || failed)
      break;
  }
  generated_steps_.Close();
}

absl::StatusOr<BatchSource::Generated> BatchSource::Generate(uint64_t step,
                                                             uint64_t cursor) {
  Generated generated;
  ScoredBatch& batch = generated.batch;
  batch.step = step;
  batch.next_cursor = cursor + options_.prompts_per_step;
  batch.began = absl::Now();
  batch.responses.resize(responses());
  buffer_.Leased(responses());
  ASSIGN_OR_RETURN(generated.scoring,
                   parts_.rewards->Begin({.items = responses(),
                                          .group_items = static_cast<size_t>(
                                              options_.samples_per_prompt),
                                          .step = step,
                                          .eval = false}));
  RETURN_IF_ERROR(
      Sample(PlanOf(step, cursor), cursor, batch, *generated.scoring));
  generated.at = absl::Now();
  batch.generate_seconds = absl::ToDoubleSeconds(generated.at - batch.began);
  {
    absl::MutexLock lock(&mu_);
    generated_ = step + 1;
  }
  RETURN_IF_ERROR(Failpoint("source.generated"));
  buffer_.Generated(responses());
  return generated;
}

GenerationPlan BatchSource::PlanOf(uint64_t step, uint64_t cursor) {
  GenerationPlan plan;
  plan.run_id = options_.run_id;
  plan.run_seed = options_.run_seed;
  plan.rules.min_policy_version = gate_.OldestVersion(step);
  plan.rules.vocab_size = options_.vocab_size;
  plan.rules.sampling = options_.sampling;
  for (int i = 0; i < options_.prompts_per_step; ++i) {
    plan.prompts.push_back(
        {.cursor = cursor + i,
         .token_ids = parts_.prompts->At(cursor + i).prompt_token_ids,
         .samples = options_.samples_per_prompt});
  }
  plan.ledger = parts_.ledger;
  plan.step = step;
  plan.cancelled = [this] { return stopping_.load(); };
  // A checkpoint of the step that is being trained needs these responses.
  plan.through_shutdown = options_.one_version && options_.staleness > 0;
  return plan;
}

// Samples the plan; each response is added to `scoring` once.
absl::Status BatchSource::Sample(GenerationPlan plan, uint64_t cursor,
                                 ScoredBatch& batch, Scoring& scoring) {
  const int samples = options_.samples_per_prompt;
  for (const auto& prompt : plan.prompts) {
    batch.rows.insert(batch.rows.end(), samples,
                      &parts_.prompts->At(prompt.cursor));
  }
  std::vector<uint8_t> added(responses());
  plan.counted = [&](const v1::Trajectory& t) -> absl::Status {
    const size_t index = (t.seed_key().prompt_cursor() - cursor) * samples +
                         t.seed_key().sample_index();
    if (std::exchange(added[index], 1) != 0) return absl::OkStatus();
    return AddItem(index, t, batch, scoring);
  };
  ASSIGN_OR_RETURN(batch.trajectories, parts_.rollouts->Generate(plan));
  for (const v1::Trajectory& t : batch.trajectories)
    RETURN_IF_ERROR(plan.counted(t));
  return absl::OkStatus();
}

absl::Status BatchSource::AddItem(size_t index,
                                  const v1::Trajectory& trajectory,
                                  ScoredBatch& batch, Scoring& scoring) {
  v1::ScoreItem item =
      MakeScoreItem(trajectory, *batch.rows[index], *parts_.tokenizer);
  batch.responses[index] = item.response();
  return scoring.Add(index, std::move(item));
}

absl::StatusOr<ScoredBatch> BatchSource::Score(Generated generated) {
  ScoredBatch batch = std::move(generated.batch);
  ASSIGN_OR_RETURN(batch.scores, generated.scoring->Finish());
  batch.score_seconds = absl::ToDoubleSeconds(absl::Now() - generated.at);
  RETURN_IF_ERROR(Failpoint("source.scored"));
  buffer_.Scored(responses());
  return batch;
}

}  // namespace operant::learner
