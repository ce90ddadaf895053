#include "learner/file_training.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/exit_code.h"
#include "common/base/file_io.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"

namespace operant::learner {
namespace {

constexpr absl::Duration kReportInterval = absl::Seconds(2);
constexpr int kKeptCheckpoints = 2;
constexpr int kMaxSkippedSteps = 5;
constexpr uint64_t kNoProtectedStep = ~uint64_t{0};

std::string CheckpointsOf(const std::string& out) {
  return out + ".checkpoints";
}

}  // namespace

FileTraining::FileTraining(std::string section, std::string out)
    : section_(std::move(section)),
      out_(std::move(out)),
      checkpoints_(CheckpointsOf(out_)) {}

absl::Status FileTraining::CheckNew() const {
  if (!FileExists(out_)) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat(
      "cannot write the trained model: ", section_, ".out=", out_,
      " exists, expected a new folder; remove it or choose another"));
}

absl::Status FileTraining::Resume(
    Plan plan,
    const std::function<absl::Status(const std::string&, const TrainerState&)>&
        load) {
  plan_ = std::move(plan);
  const absl::StatusOr<std::string> latest = checkpoints_.Latest();
  if (absl::IsNotFound(latest.status())) return absl::OkStatus();
  RETURN_IF_ERROR(latest.status());
  ASSIGN_OR_RETURN(const TrainerState state, ReadTrainerState(*latest));
  if (state.run_id != plan_.identity) {
    return absl::FailedPreconditionError(absl::StrCat(
        "cannot go on: ", *latest,
        " is of another model, data or configuration, expected the same; "
        "remove its folder to start anew, or restore the configuration"));
  }
  RETURN_IF_ERROR(load(*latest, state));
  step_ = static_cast<int64_t>(state.step);
  seconds_before_ = state.train_seconds;
  LogInfo("going on from a checkpoint", {{"step", step_}});
  return absl::OkStatus();
}

absl::Status FileTraining::Train(Trainer& trainer) {
  started_ = absl::Now();
  while (Progress() < 1) {
    ASSIGN_OR_RETURN(const bool applied,
                     trainer.Step(LrFactor(plan_.schedule, step_, Progress())));
    RETURN_IF_ERROR(Note(applied));
    const StopSignal signal = ShutdownRequested();
    if (signal != StopSignal::kNone) return StopFor(signal, trainer);
    if (absl::Now() - reported_ >= kReportInterval) Report(trainer);
    if (plan_.save_every > 0 && step_ % plan_.save_every == 0 &&
        Progress() < 1) {
      RETURN_IF_ERROR(Save(trainer));
    }
  }
  Report(trainer);
  return absl::OkStatus();
}

absl::Status FileTraining::Note(bool applied) {
  ++step_;
  skipped_ = applied ? 0 : skipped_ + 1;
  if (skipped_ < kMaxSkippedSteps) return absl::OkStatus();
  return WithExitCode(
      absl::AbortedError(absl::StrCat(
          "training diverged: ", skipped_,
          " steps in a row without a finite gradient, the last at step ", step_,
          "; lower ", section_, ".learning_rate and start anew")),
      ExitCode::kDiverged);
}

void FileTraining::Report(Trainer& trainer) {
  reported_ = absl::Now();
  trainer.Report();
}

absl::Status FileTraining::Save(Trainer& trainer) {
  TrainerState state = trainer.State();
  state.step = static_cast<uint64_t>(step_);
  state.train_seconds = Seconds();
  state.run_id = plan_.identity;
  RETURN_IF_ERROR(checkpoints_.Write(
      state.step, [&](const std::string& folder) -> absl::Status {
        RETURN_IF_ERROR(MakeDirectories(JoinPath(folder, "trainer_state")));
        RETURN_IF_ERROR(trainer.WriteCheckpoint(folder));
        return WriteTrainerState(folder, state);
      }));
  return checkpoints_.Prune(kKeptCheckpoints, kNoProtectedStep);
}

absl::Status FileTraining::StopFor(StopSignal signal, Trainer& trainer) {
  RETURN_IF_ERROR(Save(trainer));
  return WithExitCode(
      absl::CancelledError(
          absl::StrCat("stopped by a signal after a save at step ", step_,
                       " of ", plan_.steps, "; run the same command to go on")),
      ExitCodeFor(signal));
}

absl::Status FileTraining::Publish(
    const std::function<absl::Status(const std::string&)>& write) {
  const std::string staging = out_ + ".staging";
  RETURN_IF_ERROR(RemoveTree(staging));
  RETURN_IF_ERROR(write(staging));
  std::error_code error;
  std::filesystem::rename(staging, out_, error);
  if (error) return ErrnoStatus(error.value(), "cannot rename", staging);
  return RemoveTree(CheckpointsOf(out_));
}

double FileTraining::SecondsHere() const {
  return absl::ToDoubleSeconds(absl::Now() - started_);
}

// Share that is over, by steps or by time, whichever is nearer to its end.
double FileTraining::Progress() const {
  const double by_steps =
      static_cast<double>(step_) / static_cast<double>(plan_.steps);
  return plan_.max_seconds == 0
             ? by_steps
             : std::max(by_steps, Seconds() / plan_.max_seconds);
}

double FileTraining::EtaSeconds() const {
  const double done = std::clamp(Progress(), 1e-9, 1.0);
  return Seconds() / done * (1 - done);
}

}  // namespace operant::learner
