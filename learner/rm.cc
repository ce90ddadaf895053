#include "learner/rm.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/digest.h"
#include "common/base/file_io.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/text/preference_dataset.h"
#include "learner/file_training.h"
#include "learner/microbatch.h"
#include "learner/sft_start.h"

namespace operant::learner {
namespace {

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

// One training, from its checkpoints to its result.
class RmRun final : public FileTraining::Trainer {
 public:
  RmRun(const v1::RunConfig& config,
        const std::function<void(const RmProgress&)>& on_progress)
      : config_(config),
        on_progress_(on_progress),
        training_("rm", config.rm().out()) {}

  absl::StatusOr<RmResult> Run();

 private:
  absl::Status Prepare();
  absl::StatusOr<std::vector<TokenPair>> Load(const std::string& path) const;
  absl::Status Resume();
  absl::StatusOr<bool> Step(double rate_factor) override;
  absl::Status WriteCheckpoint(const std::string& folder) override;
  TrainerState State() const override;
  absl::StatusOr<RmResult> Finish();
  const std::vector<int64_t>& BatchOf(int64_t step);
  void Report() override;

  const v1::RunConfig& config_;
  const std::function<void(const RmProgress&)>& on_progress_;
  FileTraining training_;
  SequenceClassifier model_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::vector<TokenPair> pairs_;
  std::vector<TokenPair> held_out_;
  std::unique_ptr<RmTrainer> trainer_;

  RmProgress progress_;
  std::vector<std::vector<int64_t>> epoch_batches_;
  int64_t epoch_ = -1;  // of epoch_batches_
  int64_t first_step_ = 0;
};

absl::StatusOr<RmResult> RmRun::Run() {
  RETURN_IF_ERROR(Prepare());
  RETURN_IF_ERROR(Resume());
  RETURN_IF_ERROR(training_.Train(*this));
  return Finish();
}

absl::Status RmRun::Prepare() {
  RETURN_IF_ERROR(training_.CheckNew());
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
  ASSIGN_OR_RETURN(trainer_, RmTrainer::Create(config_, model_));
  const auto batch = static_cast<int64_t>(config_.rm().batch_pairs());
  const auto steps_per_epoch =
      (static_cast<int64_t>(pairs_.size()) + batch - 1) / batch;
  progress_.total_steps = std::max<int64_t>(
      1, static_cast<int64_t>(config_.rm().epochs() *
                              static_cast<double>(steps_per_epoch)));
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

absl::Status RmRun::Resume() {
  const v1::RmSection& rm = config_.rm();
  FileTraining::Plan plan = {
      .identity = IdentityOf(config_, tokenizer_->digest()),
      .steps = progress_.total_steps,
      .max_seconds = rm.max_seconds(),
      .schedule = {.shape = LrShape::kCosine,
                   .warmup_steps = rm.warmup_steps(),
                   .min_ratio = rm.min_learning_rate_ratio()}};
  return training_.Resume(
      std::move(plan),
      [this](const std::string& folder, const TrainerState&) -> absl::Status {
        ASSIGN_OR_RETURN(model_, LoadSequenceClassifier(folder));
        RETURN_IF_ERROR(trainer_->Load(model_));
        return trainer_->LoadOptimiser(JoinPath(folder, kOptimiserFile));
      });
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

absl::StatusOr<bool> RmRun::Step(double rate_factor) {
  ASSIGN_OR_RETURN(
      const RmStep step,
      trainer_->Step(pairs_, BatchOf(training_.step()), rate_factor));
  progress_.loss = step.loss;
  progress_.accuracy = step.accuracy;
  progress_.gradient_norm = step.optimiser.gradient_norm;
  progress_.learning_rate = config_.rm().learning_rate() * rate_factor;
  return step.optimiser.applied;
}

void RmRun::Report() {
  progress_.step = training_.step();
  progress_.pairs_per_second =
      static_cast<double>(progress_.step * config_.rm().batch_pairs()) /
      std::max(1e-9, training_.Seconds());
  progress_.eta_seconds = training_.EtaSeconds();
  if (on_progress_) on_progress_(progress_);
}

absl::Status RmRun::WriteCheckpoint(const std::string& folder) {
  RETURN_IF_ERROR(trainer_->Export(model_));
  RETURN_IF_ERROR(
      SaveSequenceClassifier(folder, model_, config_.model().path()));
  return trainer_->SaveOptimiser(JoinPath(folder, kOptimiserFile));
}

TrainerState RmRun::State() const {
  TrainerState state;
  state.model_digest = ModelDigest(model_.decoder.config);
  return state;
}

absl::StatusOr<RmResult> RmRun::Finish() {
  RmResult result = {.steps = training_.step(),
                     .pairs = static_cast<int64_t>(pairs_.size()),
                     .seconds = training_.Seconds()};
  ASSIGN_OR_RETURN(result.trained, trainer_->Evaluate(pairs_));
  if (!held_out_.empty()) {
    ASSIGN_OR_RETURN(result.held_out, trainer_->Evaluate(held_out_));
  }
  RETURN_IF_ERROR(trainer_->Export(model_));
  RETURN_IF_ERROR(
      training_.Publish([&](const std::string& folder) -> absl::Status {
        RETURN_IF_ERROR(
            SaveSequenceClassifier(folder, model_, config_.model().path()));
        return WriteFileAtomically(JoinPath(folder, "tokenizer.json"),
                                   tokenizer_->json());
      }));
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
