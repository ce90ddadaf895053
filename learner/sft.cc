#include "learner/sft.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/digest.h"
#include "common/base/file_io.h"
#include "common/base/log.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "learner/checkpoint_store.h"
#include "learner/lr_schedule.h"
#include "learner/sft_trainer.h"

namespace operant::learner {
namespace {

constexpr absl::Duration kProgressInterval = absl::Seconds(2);
constexpr int kKeptCheckpoints = 2;
constexpr int kMaxSkippedSteps = 5;  // non-finite gradients in a row
constexpr uint64_t kNoProtectedStep = ~uint64_t{0};
constexpr char kOptimiserFile[] = "trainer_state/optimizer.safetensors";

// What a checkpoint must agree with to be gone on from: everything that decides
// the steps. Where it runs and how long it may is left out.
std::string IdentityOf(const v1::RunConfig& config, const SftStart& start) {
  v1::SftSection sft = config.sft();
  sft.clear_out();
  sft.clear_threads();
  sft.clear_device();
  sft.clear_max_seconds();
  sft.clear_checkpoint_every_steps();
  return Hex(Sha256(absl::StrCat(sft.SerializeAsString(), "\n",
                                 config.data().sft(), "\n", config.run().seed(),
                                 "\n", ModelDigest(start.model), "\n",
                                 start.tokenizer->digest())));
}

SftDataOptions DataOptionsOf(const v1::RunConfig& config,
                             const ModelConfig& model) {
  return {.eos_id = EosOf(model),
          .max_tokens = model.max_position_embeddings,
          .drop_overlong = config.data().overlong() == "drop",
          .loss_on_prompt = config.sft().loss_on_prompt()};
}

// One training, from its checkpoints to its result.
class SftRun {
 public:
  SftRun(const v1::RunConfig& config,
         const std::function<void(const SftProgress&)>& on_progress)
      : config_(config),
        on_progress_(on_progress),
        checkpoints_(config.sft().out() + ".checkpoints") {}

  absl::StatusOr<SftResult> Run();

 private:
  absl::Status Prepare();
  absl::Status ResumeIfPossible();
  absl::Status Train();
  absl::Status TrainStep();
  absl::Status SaveCheckpoint();
  absl::Status StopForSignal(StopSignal signal);
  absl::StatusOr<SftResult> Finish();

  bool Finished() const;
  double Seconds() const;
  double Progress() const;
  void Report(bool force);

  const v1::RunConfig& config_;
  const std::function<void(const SftProgress&)>& on_progress_;
  CheckpointStore checkpoints_;
  SftStart start_;
  std::string identity_;
  std::vector<SftRow> rows_;
  std::vector<SftRow> eval_rows_;
  std::unique_ptr<SftBatches> batches_;
  std::unique_ptr<SftTrainer> trainer_;
  LrSchedule schedule_;

  SftProgress progress_;
  int64_t tokens_ = 0;
  double seconds_before_ = 0;  // of training before this process
  int64_t tokens_before_ = 0;
  absl::Time started_;
  absl::Time reported_ = absl::InfinitePast();
  int skipped_ = 0;
  std::deque<double> recent_losses_;
};

absl::StatusOr<SftResult> SftRun::Run() {
  RETURN_IF_ERROR(Prepare());
  RETURN_IF_ERROR(ResumeIfPossible());
  RETURN_IF_ERROR(Train());
  return Finish();
}

absl::Status SftRun::Prepare() {
  const std::string& out = config_.sft().out();
  if (FileExists(out)) {
    return absl::AlreadyExistsError(
        absl::StrCat("cannot write the trained model: sft.out=", out,
                     " exists, expected a new folder; remove it or choose "
                     "another"));
  }
  ASSIGN_OR_RETURN(start_, PrepareSft(config_));
  const SftDataOptions options = DataOptionsOf(config_, start_.model);
  ASSIGN_OR_RETURN(
      rows_, LoadSftRows(config_.data().sft(), *start_.tokenizer, options));
  if (!config_.data().sft_eval().empty()) {
    ASSIGN_OR_RETURN(eval_rows_, LoadSftRows(config_.data().sft_eval(),
                                             *start_.tokenizer, options));
  }
  identity_ = IdentityOf(config_, start_);
  ASSIGN_OR_RETURN(trainer_, SftTrainer::Create(config_, start_));
  batches_ = std::make_unique<SftBatches>(rows_, config_.sft().batch_tokens(),
                                          config_.run().seed());
  progress_.total_steps = batches_->StepsOf(config_.sft().epochs());
  schedule_ = {.shape = LrShape::kCosine,
               .warmup_steps = config_.sft().warmup_steps(),
               .min_ratio = config_.sft().min_learning_rate_ratio()};
  LogInfo("supervised training", {{"rows", rows_.size()},
                                  {"parameters", ParameterCount(start_.model)},
                                  {"vocab_size", start_.model.vocab_size},
                                  {"steps", progress_.total_steps}});
  return absl::OkStatus();
}

absl::Status SftRun::ResumeIfPossible() {
  const absl::StatusOr<std::string> latest = checkpoints_.Latest();
  if (absl::IsNotFound(latest.status())) return absl::OkStatus();
  RETURN_IF_ERROR(latest.status());
  ASSIGN_OR_RETURN(const TrainerState state, ReadTrainerState(*latest));
  if (state.run_id != identity_) {
    return absl::FailedPreconditionError(absl::StrCat(
        "cannot go on: ", *latest,
        " is of another model, data or configuration, expected the same; "
        "remove its folder to start anew, or restore the configuration"));
  }
  ASSIGN_OR_RETURN(const HfModel model, LoadHfModel(*latest));
  RETURN_IF_ERROR(trainer_->LoadWeights(*model.weights));
  RETURN_IF_ERROR(trainer_->LoadOptimiser(JoinPath(*latest, kOptimiserFile)));
  progress_.step = static_cast<int64_t>(state.step);
  tokens_ = tokens_before_ = static_cast<int64_t>(state.tokens);
  seconds_before_ = state.train_seconds;
  LogInfo("going on from a checkpoint", {{"step", progress_.step}});
  return absl::OkStatus();
}

double SftRun::Seconds() const {
  return seconds_before_ + absl::ToDoubleSeconds(absl::Now() - started_);
}

// Share of the training that is over, by steps or by time, whichever is nearer
// to its end.
double SftRun::Progress() const {
  const double by_steps = static_cast<double>(progress_.step) /
                          static_cast<double>(progress_.total_steps);
  const uint32_t limit = config_.sft().max_seconds();
  return limit == 0 ? by_steps : std::max(by_steps, Seconds() / limit);
}

bool SftRun::Finished() const { return Progress() >= 1; }

absl::Status SftRun::Train() {
  started_ = absl::Now();
  const int64_t every = config_.sft().checkpoint_every_steps();
  while (!Finished()) {
    RETURN_IF_ERROR(TrainStep());
    const StopSignal signal = ShutdownRequested();
    if (signal != StopSignal::kNone) return StopForSignal(signal);
    Report(/*force=*/false);
    if (every > 0 && progress_.step % every == 0 && !Finished()) {
      RETURN_IF_ERROR(SaveCheckpoint());
    }
  }
  Report(/*force=*/true);
  return absl::OkStatus();
}

absl::Status SftRun::TrainStep() {
  const double factor = LrFactor(schedule_, progress_.step, Progress());
  ASSIGN_OR_RETURN(
      const SftStep step,
      trainer_->Step(rows_, batches_->BatchOf(progress_.step), factor));
  ++progress_.step;
  tokens_ += step.tokens;
  progress_.loss = step.loss;
  progress_.gradient_norm = step.optimiser.gradient_norm;
  progress_.learning_rate = config_.sft().learning_rate() * factor;
  skipped_ = step.optimiser.applied ? 0 : skipped_ + 1;
  if (skipped_ >= kMaxSkippedSteps) {
    return WithExitCode(
        absl::AbortedError(absl::StrCat(
            "training diverged: ", skipped_,
            " steps in a row without a finite gradient, the last at step ",
            progress_.step, "; lower sft.learning_rate and start anew")),
        ExitCode::kDiverged);
  }
  recent_losses_.push_back(step.loss);
  const auto kept = static_cast<size_t>(progress_.total_steps / 10 + 1);
  if (recent_losses_.size() > kept) recent_losses_.pop_front();
  return absl::OkStatus();
}

void SftRun::Report(bool force) {
  const absl::Time now = absl::Now();
  if (!force && now - reported_ < kProgressInterval) return;
  reported_ = now;
  const double elapsed = std::max(1e-9, absl::ToDoubleSeconds(now - started_));
  progress_.tokens_per_second =
      static_cast<double>(tokens_ - tokens_before_) / elapsed;
  const double done = std::clamp(Progress(), 1e-9, 1.0);
  progress_.eta_seconds = Seconds() / done * (1 - done);
  if (on_progress_) on_progress_(progress_);
}

absl::Status SftRun::SaveCheckpoint() {
  ASSIGN_OR_RETURN(const WeightImage weights, trainer_->Weights());
  TrainerState state;
  state.step = static_cast<uint64_t>(progress_.step);
  state.tokens = static_cast<uint64_t>(tokens_);
  state.train_seconds = Seconds();
  state.model_digest = ModelDigest(start_.model);
  state.run_id = identity_;
  RETURN_IF_ERROR(checkpoints_.Write(
      state.step, [&](const std::string& folder) -> absl::Status {
        RETURN_IF_ERROR(WriteSftFolder(folder, start_, weights));
        RETURN_IF_ERROR(MakeDirectories(JoinPath(folder, "trainer_state")));
        RETURN_IF_ERROR(
            trainer_->SaveOptimiser(JoinPath(folder, kOptimiserFile)));
        return WriteTrainerState(folder, state);
      }));
  return checkpoints_.Prune(kKeptCheckpoints, kNoProtectedStep);
}

absl::Status SftRun::StopForSignal(StopSignal signal) {
  RETURN_IF_ERROR(SaveCheckpoint());
  return WithExitCode(
      absl::CancelledError(absl::StrCat(
          "stopped by a signal after a save at step ", progress_.step, " of ",
          progress_.total_steps, "; run the same command to go on")),
      ExitCodeFor(signal));
}

absl::StatusOr<SftResult> SftRun::Finish() {
  SftResult result;
  result.seconds = Seconds();
  result.steps = progress_.step;
  result.parameters = ParameterCount(start_.model);
  result.vocab_size = start_.model.vocab_size;
  result.tokens = tokens_;
  for (const double loss : recent_losses_) {
    result.loss += loss / static_cast<double>(recent_losses_.size());
  }
  if (!eval_rows_.empty()) {
    ASSIGN_OR_RETURN(result.eval_perplexity, trainer_->Perplexity(eval_rows_));
  }
  ASSIGN_OR_RETURN(const WeightImage weights, trainer_->Weights());
  // Written beside its place and renamed: the folder is complete or not there.
  const std::string& out = config_.sft().out();
  const std::string staging = out + ".staging";
  RETURN_IF_ERROR(RemoveTree(staging));
  RETURN_IF_ERROR(WriteSftFolder(staging, start_, weights));
  std::error_code error;
  std::filesystem::rename(staging, out, error);
  if (error) return ErrnoStatus(error.value(), "cannot rename", staging);
  RETURN_IF_ERROR(RemoveTree(config_.sft().out() + ".checkpoints"));
  return result;
}

}  // namespace

std::string FormatSftProgress(const SftProgress& p) {
  const auto eta = static_cast<int64_t>(p.eta_seconds + 0.5);
  return absl::StrFormat(
      "sft step %6d/%d  loss %6.3f  |g| %7.3f  lr %.2e  %7.0f tok/s  eta "
      "%d:%02d",
      p.step, p.total_steps, p.loss, p.gradient_norm, p.learning_rate,
      p.tokens_per_second, eta / 60, eta % 60);
}

absl::StatusOr<SftResult> RunSft(
    const v1::RunConfig& config,
    const std::function<void(const SftProgress&)>& on_progress) {
  return SftRun(config, on_progress).Run();
}

}  // namespace operant::learner
