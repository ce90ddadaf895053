#include "learner/rm.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/base/digest.h"
#include "common/base/file_io.h"
#include "common/base/log.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "common/text/preference_dataset.h"
#include "learner/checkpoint_store.h"
#include "learner/lr_schedule.h"
#include "learner/microbatch.h"
#include "learner/sft_start.h"
#include "learner/trainer_state.h"

namespace operant::learner {
namespace {

constexpr absl::Duration kProgressInterval = absl::Seconds(2);
constexpr int kMaxSkippedSteps = 5;  // non-finite gradients in a row
constexpr char kOptimiserFile[] = "trainer_state/optimizer.safetensors";

// What a checkpoint must agree with to be gone on from.
std::string IdentityOf(const v1::RunConfig& config,
                       const std::string& tokenizer_digest) {
  v1::RmSection rm = config.rm();
  rm.clear_out();
  rm.clear_threads();
  rm.clear_device();
  rm.clear_max_seconds();
  return Hex(Sha256(absl::StrCat(rm.SerializeAsString(), "\n",
                                 config.data().preferences(), "\n",
                                 config.model().path(), "\n",
                                 config.run().seed(), "\n", tokenizer_digest)));
}

// One training, from its checkpoint to its result.
class RmRun {
 public:
  RmRun(const v1::RunConfig& config,
        const std::function<void(const RmProgress&)>& on_progress)
      : config_(config),
        on_progress_(on_progress),
        checkpoints_(config.rm().out() + ".checkpoint") {}

  absl::StatusOr<RmResult> Run() {
    RETURN_IF_ERROR(Prepare());
    RETURN_IF_ERROR(ResumeIfPossible());
    RETURN_IF_ERROR(Train());
    return Finish();
  }

 private:
  absl::Status Prepare();
  absl::StatusOr<std::vector<TokenPair>> Load(const std::string& path) const;
  absl::Status ResumeIfPossible();
  absl::Status Train();
  absl::Status TrainStep();
  absl::Status StopForSignal(StopSignal signal);
  absl::StatusOr<RmResult> Finish();
  const std::vector<int64_t>& BatchOf(int64_t step);

  double Seconds() const {
    return seconds_before_ + absl::ToDoubleSeconds(absl::Now() - started_);
  }
  // Share that is over, by steps or by time, whichever is nearer to its end.
  double Progress() const {
    const double by_steps = static_cast<double>(progress_.step) /
                            static_cast<double>(progress_.total_steps);
    const uint32_t limit = config_.rm().max_seconds();
    return limit == 0 ? by_steps : std::max(by_steps, Seconds() / limit);
  }
  void Report(bool force);

  const v1::RunConfig& config_;
  const std::function<void(const RmProgress&)>& on_progress_;
  CheckpointStore checkpoints_;
  SequenceClassifier model_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::string identity_;
  std::vector<TokenPair> pairs_;
  std::vector<TokenPair> held_out_;
  std::unique_ptr<RmTrainer> trainer_;
  LrSchedule schedule_;

  RmProgress progress_;
  std::vector<std::vector<int64_t>> epoch_batches_;
  int64_t epoch_ = -1;  // of epoch_batches_
  int64_t first_step_ = 0;
  double seconds_before_ = 0;  // of training before this process
  absl::Time started_;
  absl::Time reported_ = absl::InfinitePast();
  int skipped_ = 0;
};

absl::Status RmRun::Prepare() {
  const std::string& out = config_.rm().out();
  if (FileExists(out)) {
    return absl::AlreadyExistsError(
        absl::StrCat("cannot write the reward model: rm.out=", out,
                     " exists, expected a new folder; remove it or choose "
                     "another"));
  }
  const std::string& folder = config_.model().path();
  ASSIGN_OR_RETURN(const HfModel start, LoadHfModel(folder));
  model_ = ClassifierFrom(start);
  const std::string& tokenizer = config_.tokenizer().path();
  ASSIGN_OR_RETURN(tokenizer_,
                   Tokenizer::Load(tokenizer.empty() ? folder : tokenizer));
  ASSIGN_OR_RETURN(pairs_, Load(config_.data().preferences()));
  if (!config_.data().preferences_eval().empty()) {
    ASSIGN_OR_RETURN(held_out_, Load(config_.data().preferences_eval()));
  }
  identity_ = IdentityOf(config_, tokenizer_->digest());
  ASSIGN_OR_RETURN(trainer_, RmTrainer::Create(config_, model_));
  const auto batch = static_cast<int64_t>(config_.rm().batch_pairs());
  const auto steps_per_epoch =
      (static_cast<int64_t>(pairs_.size()) + batch - 1) / batch;
  progress_.total_steps = std::max<int64_t>(
      1, static_cast<int64_t>(config_.rm().epochs() *
                              static_cast<double>(steps_per_epoch)));
  schedule_ = {.shape = LrShape::kCosine,
               .warmup_steps = config_.rm().warmup_steps(),
               .min_ratio = config_.rm().min_learning_rate_ratio()};
  LogInfo("reward model", {{"pairs", pairs_.size()},
                           {"held_out", held_out_.size()},
                           {"steps", progress_.total_steps}});
  return absl::OkStatus();
}

absl::StatusOr<std::vector<TokenPair>> RmRun::Load(
    const std::string& path) const {
  ASSIGN_OR_RETURN(const std::vector<PreferencePair> rows,
                   LoadPreferences(path));
  const ModelConfig& model = model_.decoder.config;
  const int32_t eos = EosOf(model);
  std::vector<TokenPair> pairs;
  for (const PreferencePair& row : rows) {
    TokenPair pair = {
        .chosen = JudgedTokens(*tokenizer_, row.prompt, row.chosen, eos),
        .rejected = JudgedTokens(*tokenizer_, row.prompt, row.rejected, eos),
        .margin = config_.rm().use_margin() ? row.margin : 0};
    if (pair.longest() <= model.max_position_embeddings) {
      pairs.push_back(std::move(pair));
    } else if (config_.data().overlong() != "drop") {
      return absl::DataLossError(
          absl::StrCat(path, ":", row.line, ": a side has ", pair.longest(),
                       " tokens, expected at most the model's ",
                       model.max_position_embeddings,
                       "; shorten it or set "
                       "data.overlong=drop"));
    }
  }
  if (!pairs.empty()) return pairs;
  return absl::DataLossError(
      absl::StrCat(path, ": no pair is short enough for the model's ",
                   model.max_position_embeddings, " tokens"));
}

absl::Status RmRun::ResumeIfPossible() {
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
  ASSIGN_OR_RETURN(model_, LoadSequenceClassifier(*latest));
  RETURN_IF_ERROR(trainer_->Load(model_));
  RETURN_IF_ERROR(trainer_->LoadOptimiser(JoinPath(*latest, kOptimiserFile)));
  progress_.step = static_cast<int64_t>(state.step);
  seconds_before_ = state.train_seconds;
  LogInfo("going on from a checkpoint", {{"step", progress_.step}});
  return absl::OkStatus();
}

// Depends on the step's number alone, so a resumed run sees the same ones.
const std::vector<int64_t>& RmRun::BatchOf(int64_t step) {
  while (epoch_ < 0 ||
         step >= first_step_ + static_cast<int64_t>(epoch_batches_.size())) {
    first_step_ += static_cast<int64_t>(epoch_batches_.size());
    ++epoch_;
    epoch_batches_ = ShuffledMinibatches(
        static_cast<int64_t>(pairs_.size()), config_.rm().batch_pairs(),
        {config_.run().seed(), static_cast<uint64_t>(epoch_), 0});
  }
  return epoch_batches_[step - first_step_];
}

absl::Status RmRun::Train() {
  started_ = absl::Now();
  while (Progress() < 1) {
    RETURN_IF_ERROR(TrainStep());
    const StopSignal signal = ShutdownRequested();
    if (signal != StopSignal::kNone) return StopForSignal(signal);
    Report(/*force=*/false);
  }
  Report(/*force=*/true);
  return absl::OkStatus();
}

absl::Status RmRun::TrainStep() {
  const double factor = LrFactor(schedule_, progress_.step, Progress());
  ASSIGN_OR_RETURN(const RmStep step,
                   trainer_->Step(pairs_, BatchOf(progress_.step), factor));
  ++progress_.step;
  progress_.loss = step.loss;
  progress_.accuracy = step.accuracy;
  progress_.gradient_norm = step.optimiser.gradient_norm;
  progress_.learning_rate = config_.rm().learning_rate() * factor;
  skipped_ = step.optimiser.applied ? 0 : skipped_ + 1;
  if (skipped_ < kMaxSkippedSteps) return absl::OkStatus();
  return WithExitCode(
      absl::AbortedError(absl::StrCat(
          "training diverged: ", skipped_,
          " steps in a row without a finite gradient, the last at step ",
          progress_.step, "; lower rm.learning_rate and start anew")),
      ExitCode::kDiverged);
}

void RmRun::Report(bool force) {
  const absl::Time now = absl::Now();
  if (!force && now - reported_ < kProgressInterval) return;
  reported_ = now;
  const double done = std::clamp(Progress(), 1e-9, 1.0);
  progress_.pairs_per_second =
      static_cast<double>(progress_.step * config_.rm().batch_pairs()) /
      std::max(1e-9, Seconds());
  progress_.eta_seconds = Seconds() / done * (1 - done);
  if (on_progress_) on_progress_(progress_);
}

absl::Status RmRun::StopForSignal(StopSignal signal) {
  RETURN_IF_ERROR(trainer_->Export(model_));
  TrainerState state;
  state.step = static_cast<uint64_t>(progress_.step);
  state.train_seconds = Seconds();
  state.model_digest = ModelDigest(model_.decoder.config);
  state.run_id = identity_;
  RETURN_IF_ERROR(checkpoints_.Write(
      state.step, [&](const std::string& folder) -> absl::Status {
        RETURN_IF_ERROR(
            SaveSequenceClassifier(folder, model_, config_.model().path()));
        RETURN_IF_ERROR(MakeDirectories(JoinPath(folder, "trainer_state")));
        RETURN_IF_ERROR(
            trainer_->SaveOptimiser(JoinPath(folder, kOptimiserFile)));
        return WriteTrainerState(folder, state);
      }));
  return WithExitCode(
      absl::CancelledError(absl::StrCat(
          "stopped by a signal after a save at step ", progress_.step, " of ",
          progress_.total_steps, "; run the same command to go on")),
      ExitCodeFor(signal));
}

absl::StatusOr<RmResult> RmRun::Finish() {
  RmResult result = {.steps = progress_.step,
                     .pairs = static_cast<int64_t>(pairs_.size()),
                     .seconds = Seconds()};
  ASSIGN_OR_RETURN(result.trained, trainer_->Evaluate(pairs_));
  if (!held_out_.empty()) {
    ASSIGN_OR_RETURN(result.held_out, trainer_->Evaluate(held_out_));
  }
  RETURN_IF_ERROR(trainer_->Export(model_));
  // Written beside its place and renamed: the folder is complete or not there.
  const std::string& out = config_.rm().out();
  const std::string staging = out + ".staging";
  RETURN_IF_ERROR(RemoveTree(staging));
  RETURN_IF_ERROR(
      SaveSequenceClassifier(staging, model_, config_.model().path()));
  RETURN_IF_ERROR(WriteFileAtomically(JoinPath(staging, "tokenizer.json"),
                                      tokenizer_->json()));
  std::error_code error;
  std::filesystem::rename(staging, out, error);
  if (error) return ErrnoStatus(error.value(), "cannot rename", staging);
  RETURN_IF_ERROR(RemoveTree(out + ".checkpoint"));
  return result;
}

}  // namespace

std::string FormatRmProgress(const RmProgress& p) {
  const auto eta = static_cast<int64_t>(p.eta_seconds + 0.5);
  return absl::StrFormat(
      "rm step %6d/%d  loss %6.3f  right %5.1f %%  |g| %7.3f  lr %.2e  %6.0f "
      "pairs/s  eta %d:%02d",
      p.step, p.total_steps, p.loss, 100 * p.accuracy, p.gradient_norm,
      p.learning_rate, p.pairs_per_second, eta / 60, eta % 60);
}

absl::StatusOr<RmResult> RunRm(
    const v1::RunConfig& config,
    const std::function<void(const RmProgress&)>& on_progress) {
  return RmRun(config, on_progress).Run();
}

}  // namespace operant::learner
