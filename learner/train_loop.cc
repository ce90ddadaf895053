#include "learner/train_loop.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/exit_code.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "learner/lr_schedule.h"

namespace operant::learner {
namespace {

// Seconds since the last call.
class Stopwatch {
 public:
  double Lap() {
    const absl::Time now = absl::Now();
    return absl::ToDoubleSeconds(now - std::exchange(last_, now));
  }

 private:
  absl::Time last_ = absl::Now();
};

double LearningRateScale(const v1::PpoSection& ppo, uint64_t step,
                         double progress) {
  // Validation made sure that the name is known.
  const LrSchedule schedule{.shape = ParseLrShape(ppo.schedule()).value(),
                            .warmup_steps = ppo.warmup_steps(),
                            .min_ratio = ppo.min_learning_rate_ratio()};
  return LrFactor(schedule, static_cast<int64_t>(step), progress);
}

int64_t TokensOf(const ScoredBatch& batch) {
  int64_t tokens = 0;
  for (const v1::Trajectory& t : batch.trajectories)
    tokens += t.response_token_ids_size();
  return tokens;
}

double HaywireShare(const ScoredBatch& batch) {
  if (batch.trajectories.empty()) return 0;
  int64_t haywire = 0;
  for (size_t i = 0; i < batch.trajectories.size(); ++i) {
    haywire +=
        !FaultsOf(batch.scores[i], batch.trajectories[i].finish()).empty();
  }
  return static_cast<double>(haywire) /
         static_cast<double>(batch.trajectories.size());
}

StepSkip SkipOf(const absl::Status& built) {
  if (built.ok()) return StepSkip::kNone;
  return absl::IsOutOfRange(built) ? StepSkip::kNonFinite : StepSkip::kEmpty;
}

absl::Status Diverged(const std::string& what) {
  return WithExitCode(
      absl::OutOfRangeError(absl::StrCat(
          "stopped: ", what,
          "; the last checkpoint is kept, lower "
          "ppo.learning_rate or raise ppo.kl_coefficient and --resume")),
      ExitCode::kDiverged);
}

}  // namespace

TrainLoop::TrainLoop(const v1::RunConfig& config, const Parts& parts,
                     const TrainerState& state, bool saved)
    : config_(config), parts_(parts), kl_(config.ppo()), state_(state) {
  if (saved) saved_step_ = state.step;
}

// What a fixed coefficient is, the configuration says.
absl::Status TrainLoop::Restore() {
  if (state_.step > 0 && kl_.adaptive())
    RETURN_IF_ERROR(kl_.Restore(state_.kl_coefficient));
  state_.kl_coefficient = kl_.coefficient();
  // A signal ended the run before the evaluation of its last step.
  if (state_.step == 0 || state_.evaluated_step >= state_.step)
    return absl::OkStatus();
  return EvaluateIfDue().status();
}

bool TrainLoop::Done() const { return Progress() >= 1; }

double TrainLoop::Progress() const {
  double progress = 0;
  if (config_.learner().steps() > 0) {
    progress = static_cast<double>(state_.step) / config_.learner().steps();
  }
  if (config_.learner().max_seconds() > 0) {
    progress = std::max(progress,
                        state_.train_seconds / config_.learner().max_seconds());
  }
  return progress;
}

absl::Status TrainLoop::Run() {
  const absl::Status restored = Restore();
  if (!restored.ok()) return SaveAfter(restored);
  while (!Done()) {
    const absl::Status status = Step();
    if (!status.ok()) return SaveAfter(status);
  }
  return Save();
}

absl::Status TrainLoop::Step() {
  Stopwatch total, lap;
  StepReport report;
  ASSIGN_OR_RETURN(const ScoredBatch batch, parts_.source->Next());
  report.seconds.wait = lap.Lap();
  RETURN_IF_ERROR(parts_.journal->Choose(batch));

  const absl::StatusOr<BuiltExperience> built =
      parts_.trainer->Build(batch, kl_.coefficient());
  report.seconds.experience = lap.Lap();
  report.skip = SkipOf(built.status());

  report.learning_rate_scale =
      LearningRateScale(config_.ppo(), state_.step, Progress());
  ASSIGN_OR_RETURN(report.update,
                   UpdateUnlessNotFinite(built, report.learning_rate_scale));
  report.seconds.update = lap.Lap();
  RETURN_IF_ERROR(Failpoint("loop.updated"));
  // With one version a step, none of the next is sampled with this one.
  if (config_.run().deterministic()) {
    RETURN_IF_ERROR(parts_.source->AwaitGenerated(
        state_.step + config_.learner().staleness()));
  }

  ASSIGN_OR_RETURN(
      const PublishReport published,
      parts_.publisher->Publish(parts_.trainer->Weights(), state_.step + 1,
                                [&](const std::string& digest) {
                                  return parts_.journal->Commit(
                                      state_.step,
                                      report.update.skipped_steps > 0, digest);
                                }));
  RETURN_IF_ERROR(Failpoint("loop.published"));
  parts_.source->Published(published.version);
  report.seconds.publish = lap.Lap();

  report.seconds.generate = batch.generate_seconds;
  report.seconds.score = batch.score_seconds;
  report.seconds.total = total.Lap();
  report.step_responses = static_cast<int64_t>(batch.trajectories.size());
  report.step_tokens = TokensOf(batch);
  report.haywire = HaywireShare(batch);
  report.kl_coefficient = kl_.coefficient();
  if (built.ok()) {
    report.experience = built->stats;
    kl_.Observe(built->stats.reference_kl_per_response,
                built->stats.trained_responses);
  }

  state_.step += 1;
  state_.next_cursor = batch.next_cursor;
  state_.kl_coefficient = kl_.coefficient();
  state_.responses += report.step_responses;
  state_.tokens += report.step_tokens;
  state_.train_seconds += report.seconds.total;
  report.step = state_.step;
  report.responses = state_.responses;
  report.tokens = state_.tokens;
  report.train_seconds = state_.train_seconds;
  RETURN_IF_ERROR(parts_.recorder->Record(
      report, batch, built.ok() ? &built->experience : nullptr));
  parts_.health->Progress();
  return AfterStep(report);
}

// A number that is not finite never reaches a step: the update is skipped and
// counted, and the run goes on with the next batch.
absl::StatusOr<UpdateStats> TrainLoop::UpdateUnlessNotFinite(
    const absl::StatusOr<BuiltExperience>& built, double scale) {
  if (built.ok())
    return parts_.trainer->Update(built->experience, state_.step, scale);
  const bool skippable = absl::IsOutOfRange(built.status()) ||
                         absl::IsFailedPrecondition(built.status());
  if (!skippable) return built.status();
  LogWarning("step skipped",
             {{"step", state_.step + 1}, {"cause", built.status().ToString()}});
  UpdateStats skipped;
  skipped.skipped_steps = 1;
  return skipped;
}

absl::Status TrainLoop::AfterStep(const StepReport& report) {
  RETURN_IF_ERROR(Failpoint("loop.recorded"));
  RETURN_IF_ERROR(CheckLimits(report));
  // Before the checkpoint: what it says of the best is in it.
  ASSIGN_OR_RETURN(const bool best, EvaluateIfDue());
  const uint32_t every = config_.checkpoint().every_steps();
  const bool due = every > 0 && state_.step % every == 0;
  if (due || best) RETURN_IF_ERROR(SaveIfRoom());
  if (ShutdownRequested() != StopSignal::kNone)
    return absl::CancelledError("stopped by a signal");
  return absl::OkStatus();
}

bool TrainLoop::EvaluationIsDue() const {
  const uint32_t every = config_.eval().every_steps();
  return every > 0 && state_.step % every == 0 && parts_.evaluate != nullptr &&
         !Done();
}

absl::StatusOr<bool> TrainLoop::EvaluateIfDue() {
  if (!EvaluationIsDue()) return false;
  ASSIGN_OR_RETURN(const EvaluationSummary summary,
                   parts_.evaluate(state_.step));
  RETURN_IF_ERROR(parts_.recorder->RecordEvaluation(state_.step, summary));
  state_.evaluated_step = state_.step;
  const bool best = !state_.has_best || summary.rate < state_.best_eval;
  if (!best || config_.eval().no_best()) return false;
  state_.best_eval = summary.rate;
  state_.has_best = true;
  state_.best_step = state_.step;
  return true;
}

absl::Status TrainLoop::CheckLimits(const StepReport& report) {
  const v1::StopSection& stop = config_.stop();
  const double kl = report.experience.reference_kl_per_response;
  if (stop.max_reference_kl() > 0 && kl > stop.max_reference_kl()) {
    return Diverged(absl::StrCat(
        "KL to the reference is ", kl,
        " nats per response, stop.max_reference_kl=", stop.max_reference_kl()));
  }
  const double score = report.experience.score.mean;
  if (stop.has_min_score() && score < stop.min_score()) {
    return Diverged(absl::StrCat("mean score is ", score,
                                 ", stop.min_score=", stop.min_score()));
  }
  state_.skipped_in_a_row =
      report.update.skipped_steps > 0 ? state_.skipped_in_a_row + 1 : 0;
  if (state_.skipped_in_a_row >= stop.max_skipped_steps()) {
    return Diverged(absl::StrCat(state_.skipped_in_a_row,
                                 " steps in a row were not finite, "
                                 "stop.max_skipped_steps=",
                                 stop.max_skipped_steps()));
  }
  return absl::OkStatus();
}

absl::Status TrainLoop::Save() {
  if (saved_step_ == state_.step) return absl::OkStatus();
  const absl::Time start = absl::Now();
  ASSIGN_OR_RETURN(state_.metrics_bytes, parts_.recorder->Sync());
  const absl::Status written =
      parts_.checkpoints->Write(state_.step, [this](const std::string& folder) {
        return parts_.write_checkpoint(state_, folder);
      });
  parts_.recorder->RecordCheckpoint(
      written, parts_.checkpoints->PathOf(state_.step), absl::Now() - start);
  RETURN_IF_ERROR(written);
  saved_step_ = state_.step;
  const auto keep = static_cast<size_t>(config_.checkpoint().keep());
  const std::vector<uint64_t> steps = parts_.checkpoints->steps();
  RETURN_IF_ERROR(parts_.journal->Cut(
      state_.step, steps[steps.size() - std::min(keep, steps.size())]));
  return parts_.checkpoints->Prune(
      static_cast<int>(keep),
      state_.has_best ? state_.best_step : ~uint64_t{0});
}

// A full disk costs a checkpoint, not the run: it is counted (an alert watches
// the count) and the next one is tried when it is due.
absl::Status TrainLoop::SaveIfRoom() {
  const absl::Status saved = Save();
  if (!absl::IsResourceExhausted(saved)) return saved;
  LogWarning("checkpoint not written; the run goes on without it",
             {{"step", state_.step}, {"cause", saved.ToString()}});
  return absl::OkStatus();
}

// What a signal or a limit ended is saved; what an error ended is as the last
// checkpoint left it.
absl::Status TrainLoop::SaveAfter(absl::Status status) {
  const bool diverged = ExitCodeFor(status) == ExitCode::kDiverged;
  if (!absl::IsCancelled(status) && !diverged) return status;
  if (diverged && state_.skipped_in_a_row > 0) return status;
  RETURN_IF_ERROR(Save());
  if (diverged) return status;
  return WithExitCode(status, ExitCodeFor(ShutdownRequested()));
}

}  // namespace operant::learner
