#include "learner/sft.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/digest.h"
#include "common/base/file_io.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "learner/file_training.h"
#include "learner/sft_trainer.h"

namespace operant::learner {
namespace {

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
class SftRun final : public FileTraining::Trainer {
 public:
  SftRun(const v1::RunConfig& config,
         const std::function<void(const SftProgress&)>& on_progress)
      : config_(config),
        on_progress_(on_progress),
        training_("sft", config.sft().out()) {}

  absl::StatusOr<SftResult> Run();

 private:
  absl::Status Prepare();
  absl::Status Resume();
  absl::StatusOr<bool> Step(double rate_factor) override;
  absl::Status WriteCheckpoint(const std::string& folder) override;
  TrainerState State() const override;
  absl::StatusOr<SftResult> Finish();
  void Report() override;

  const v1::RunConfig& config_;
  const std::function<void(const SftProgress&)>& on_progress_;
  FileTraining training_;
  SftStart start_;
  std::vector<SftRow> rows_;
  std::vector<SftRow> eval_rows_;
  std::unique_ptr<SftBatches> batches_;
  std::unique_ptr<SftTrainer> trainer_;

  SftProgress progress_;
  int64_t tokens_ = 0;
  int64_t tokens_before_ = 0;  // of a process before this one
  std::deque<double> recent_losses_;
};

absl::StatusOr<SftResult> SftRun::Run() {
  RETURN_IF_ERROR(Prepare());
  RETURN_IF_ERROR(Resume());
  RETURN_IF_ERROR(training_.Train(*this));
  return Finish();
}

absl::Status SftRun::Prepare() {
  RETURN_IF_ERROR(training_.CheckNew());
  ASSIGN_OR_RETURN(start_, PrepareSft(config_));
  const SftDataOptions options = DataOptionsOf(config_, start_.model);
  ASSIGN_OR_RETURN(
      rows_, LoadSftRows(config_.data().sft(), *start_.tokenizer, options));
  if (!config_.data().sft_eval().empty()) {
    ASSIGN_OR_RETURN(eval_rows_, LoadSftRows(config_.data().sft_eval(),
                                             *start_.tokenizer, options));
  }
  ASSIGN_OR_RETURN(trainer_, SftTrainer::Create(config_, start_));
  batches_ = std::make_unique<SftBatches>(rows_, config_.sft().batch_tokens(),
                                          config_.run().seed());
  progress_.total_steps = batches_->StepsOf(config_.sft().epochs());
  LogInfo("supervised training", {{"rows", rows_.size()},
                                  {"parameters", ParameterCount(start_.model)},
                                  {"vocab_size", start_.model.vocab_size},
                                  {"steps", progress_.total_steps}});
  return absl::OkStatus();
}

absl::Status SftRun::Resume() {
  const v1::SftSection& sft = config_.sft();
  FileTraining::Plan plan = {
      .identity = IdentityOf(config_, start_),
      .steps = progress_.total_steps,
      .max_seconds = sft.max_seconds(),
      .schedule = {.shape = LrShape::kCosine,
                   .warmup_steps = sft.warmup_steps(),
                   .min_ratio = sft.min_learning_rate_ratio()},
      .save_every = sft.checkpoint_every_steps()};
  return training_.Resume(
      std::move(plan),
      [this](const std::string& folder,
             const TrainerState& state) -> absl::Status {
        ASSIGN_OR_RETURN(const HfModel model, LoadHfModel(folder));
        RETURN_IF_ERROR(trainer_->LoadWeights(*model.weights));
        tokens_ = tokens_before_ = static_cast<int64_t>(state.tokens);
        return trainer_->LoadOptimiser(JoinPath(folder, kOptimiserFile));
      });
}

absl::StatusOr<bool> SftRun::Step(double rate_factor) {
  ASSIGN_OR_RETURN(
      const SftStep step,
      trainer_->Step(rows_, batches_->BatchOf(training_.step()), rate_factor));
  tokens_ += step.tokens;
  progress_.loss = step.loss;
  progress_.gradient_norm = step.optimiser.gradient_norm;
  progress_.learning_rate = config_.sft().learning_rate() * rate_factor;
  recent_losses_.push_back(step.loss);
  const auto kept = static_cast<size_t>(progress_.total_steps / 10 + 1);
  if (recent_losses_.size() > kept) recent_losses_.pop_front();
  return step.optimiser.applied;
}

void SftRun::Report() {
  progress_.step = training_.step();
  progress_.tokens_per_second = static_cast<double>(tokens_ - tokens_before_) /
                                std::max(1e-9, training_.SecondsHere());
  progress_.eta_seconds = training_.EtaSeconds();
  if (on_progress_) on_progress_(progress_);
}

absl::Status SftRun::WriteCheckpoint(const std::string& folder) {
  ASSIGN_OR_RETURN(const WeightImage weights, trainer_->Weights());
  RETURN_IF_ERROR(WriteSftFolder(folder, start_, weights));
  return trainer_->SaveOptimiser(JoinPath(folder, kOptimiserFile));
}

TrainerState SftRun::State() const {
  TrainerState state;
  state.tokens = static_cast<uint64_t>(tokens_);
  state.model_digest = ModelDigest(start_.model);
  return state;
}

absl::StatusOr<SftResult> SftRun::Finish() {
  SftResult result;
  result.seconds = training_.Seconds();
  result.steps = training_.step();
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
  RETURN_IF_ERROR(training_.Publish([&](const std::string& folder) {
    return WriteSftFolder(folder, start_, weights);
  }));
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
