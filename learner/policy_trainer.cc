#include "learner/policy_trainer.h"

#include <torch/torch.h>

#include <utility>

#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/nn/causal_lm.h"
#include "common/nn/module_scorer.h"
#include "common/nn/torch_status.h"
#include "learner/model_options.h"
#include "learner/sample_selection.h"
#include "learner/shared_optimizer.h"
#include "learner/value_head.h"

namespace operant::learner {
namespace {

constexpr char kOptimizerFile[] = "trainer_state/optimizer.safetensors";
constexpr char kValueHeadFile[] = "trainer_state/value_head.safetensors";

AdamWOptions OptimizerOptions(const v1::PpoSection& ppo) {
  return {.beta1 = ppo.adam_beta1(),
          .beta2 = ppo.adam_beta2(),
          .epsilon = ppo.adam_epsilon(),
          .weight_decay = ppo.weight_decay(),
          .max_gradient_norm = ppo.max_gradient_norm()};
}

SharedOptimizer::State StateOf(const v1::LearnerSection& learner) {
  return learner.shard() == "optimizer" ? SharedOptimizer::State::kShared
                                        : SharedOptimizer::State::kWhole;
}

class PolicyTrainerImpl final : public PolicyTrainer {
 public:
  PolicyTrainerImpl(const v1::RunConfig& config, Device device,
                    const ModelConfig& model, Collective* collective,
                    TraceWriter* trace)
      : config_(config),
        collective_(collective),
        trace_(trace),
        policy_(CausalLm::Create(model, ModelOptions(config, device))),
        value_head_(model.hidden_size, device) {}

  absl::Status Init(const HfModel& start, const HfModel& reference,
                    Device device) {
    RETURN_IF_ERROR(ComputesInBf16() ? CreateModuleScorers(reference, device)
                                     : CreateEngines(reference, device));
    return CatchTorch("creating the policy", [&] {
      at::set_num_threads(static_cast<int>(config_.learner().threads()));
      policy_->Load(*start.weights);
      const v1::PpoSection& ppo = config_.ppo();
      optimizer_ = SharedOptimizer::Create(
          {{.parameters = policy_->Parameters(),
            .learning_rate = ppo.learning_rate()},
           {.parameters = value_head_.Parameters(),
            .learning_rate = ppo.value_learning_rate()}},
          OptimizerOptions(ppo), StateOf(config_.learner()), collective_);
      return absl::OkStatus();
    });
  }

  absl::StatusOr<BuiltExperience> Build(const ScoredBatch& batch,
                                        double kl_coefficient) override {
    if (!ComputesInBf16()) {
      ASSIGN_OR_RETURN(auto packed, reader_->Pack(*Weights()));
      reader_->Use(std::move(packed));
    }
    const ValueHead head = value_head_.Export();
    const Selection kept = Select(batch);
    ASSIGN_OR_RETURN(
        BuiltExperience built,
        BuildExperience({.trajectories = kept.trajectories,
                         .scores = kept.scores,
                         .weights = kept.weights,
                         .policy = reader_.get(),
                         .value_head = &head,
                         .reference = reference_.get(),
                         .collective = collective_,
                         .policy_version = batch.step,
                         .kl_coefficient = kl_coefficient,
                         .temperature = config_.rollout().temperature(),
                         .ppo = &config_.ppo()}));
    DescribeBatch(
        batch.trajectories,
        {.scores = batch.scores, .score_clip = config_.ppo().score_clip()},
        built.stats);
    return built;
  }

  absl::StatusOr<UpdateStats> Update(const Experience& experience,
                                     uint64_t step,
                                     double learning_rate_scale) override {
    weights_ = nullptr;
    ASSIGN_OR_RETURN(const UpdateStats stats,
                     PpoUpdate(experience,
                               {.ppo = &config_.ppo(),
                                .minibatch_samples = static_cast<int64_t>(
                                    config_.learner().minibatch_samples()),
                                .microbatch_tokens = static_cast<int64_t>(
                                    config_.learner().microbatch_tokens()),
                                .temperature = config_.rollout().temperature(),
                                .seed = config_.run().seed(),
                                .step = step,
                                .learning_rate_scale = learning_rate_scale,
                                .trace = trace_},
                               {.policy = policy_.get(),
                                .value_head = &value_head_,
                                .optimizer = optimizer_.get(),
                                .collective = collective_}));
    const uint32_t every = config_.learner().digest_every_steps();
    if (every > 0 && (step + 1) % every == 0) {
      RETURN_IF_ERROR(CatchTorch("comparing ranks", [this] {
        return optimizer_->CompareParameters();
      }));
    }
    return stats;
  }

  absl::Status Synchronize() override {
    weights_ = nullptr;
    return CatchTorch("synchronizing ranks", [this] {
      RETURN_IF_ERROR(optimizer_->Broadcast());
      return collective_
          ->Broadcast(value_head_.moments(), /*root=*/0, "value moments")
          ->Wait();
    });
  }

  std::shared_ptr<const WeightImage> Weights() const override {
    if (weights_ == nullptr)
      weights_ = std::make_shared<const WeightImage>(policy_->Export());
    return weights_;
  }

  InferenceModel& reference() override { return *reference_; }

  absl::Status SaveState(const std::string& folder) override {
    RETURN_IF_ERROR(MakeDirectories(JoinPath(folder, "trainer_state")));
    ASSIGN_OR_RETURN(const AdamWMoments moments, GatherState());
    RETURN_IF_ERROR(
        optimizer_->Write(JoinPath(folder, kOptimizerFile), moments));
    return value_head_.Save(JoinPath(folder, kValueHeadFile));
  }

  absl::Status GiveState() override { return GatherState().status(); }

  absl::Status LoadState(const std::string& folder) override {
    RETURN_IF_ERROR(optimizer_->Load(JoinPath(folder, kOptimizerFile)));
    return value_head_.Load(JoinPath(folder, kValueHeadFile));
  }

 private:
  // The responses of a batch that the learner spends its time on.
  struct Selection {
    std::vector<v1::Trajectory> trajectories;
    std::vector<ItemScore> scores;
    std::vector<float> weights;
  };

  bool ComputesInBf16() const {
    return ModelOptions(config_, Device::kCpu).compute == ComputeType::kBf16;
  }

  // The policy and the reference as engines run them: in fp32 the difference
  // from the training module is rounding alone.
  absl::Status CreateEngines(const HfModel& reference, Device device) {
    const InferenceModel::Options engine{
        .device = device,
        .slots = 1,  // scoring needs no cache
        .threads = static_cast<int>(config_.learner().threads())};
    ASSIGN_OR_RETURN(reader_,
                     InferenceModel::Create(policy_->config(), engine));
    ASSIGN_OR_RETURN(reference_,
                     InferenceModel::Create(reference.config, engine));
    ASSIGN_OR_RETURN(auto packed, reference_->Pack(*reference.weights));
    reference_->Use(std::move(packed));
    return absl::OkStatus();
  }

  // Both as the training module computes them, so that a ratio or a KL is of
  // one arithmetic.
  absl::Status CreateModuleScorers(const HfModel& reference, Device device) {
    return CatchTorch("creating the reference", [&] {
      const auto pass_tokens =
          static_cast<int64_t>(config_.learner().microbatch_tokens());
      reference_module_ =
          CausalLm::Create(reference.config, ModelOptions(config_, device));
      reference_module_->Load(*reference.weights);
      reader_ = CreateModuleScorer(policy_.get(), pass_tokens);
      reference_ = CreateModuleScorer(reference_module_.get(), pass_tokens);
      return absl::OkStatus();
    });
  }

  absl::StatusOr<AdamWMoments> GatherState() {
    AdamWMoments moments;
    RETURN_IF_ERROR(CatchTorch("gathering the state", [&]() -> absl::Status {
      ASSIGN_OR_RETURN(moments, optimizer_->Gather());
      return absl::OkStatus();
    }));
    return moments;
  }

  Selection Select(const ScoredBatch& batch) const {
    const std::vector<float> weights =
        SelectionWeights(batch.scores, config_.ppo().train_fraction(),
                         {config_.run().seed(), batch.step});
    Selection kept;
    for (size_t i = 0; i < weights.size(); ++i) {
      if (weights[i] <= 0) continue;
      kept.trajectories.push_back(batch.trajectories[i]);
      kept.scores.push_back(batch.scores[i]);
      kept.weights.push_back(weights[i]);
    }
    return kept;
  }

  const v1::RunConfig& config_;
  Collective* const collective_;
  TraceWriter* const trace_;
  std::unique_ptr<CausalLm> policy_;
  TrainableValueHead value_head_;
  std::unique_ptr<SharedOptimizer> optimizer_;
  std::unique_ptr<CausalLm> reference_module_;  // with bf16 only
  std::unique_ptr<InferenceModel> reader_;      // the policy, without autograd
  std::unique_ptr<InferenceModel> reference_;
  // Of the policy as it is now; made anew after an update.
  mutable std::shared_ptr<const WeightImage> weights_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PolicyTrainer>> PolicyTrainer::Create(
    const v1::RunConfig& config, const HfModel& start, const HfModel& reference,
    Collective* collective, TraceWriter* trace) {
  ASSIGN_OR_RETURN(const Device device, ParseDevice(config.learner().device()));
  std::unique_ptr<PolicyTrainerImpl> trainer;
  RETURN_IF_ERROR(CatchTorch("creating the policy", [&] {
    trainer = std::make_unique<PolicyTrainerImpl>(config, device, start.config,
                                                  collective, trace);
    return absl::OkStatus();
  }));
  RETURN_IF_ERROR(trainer->Init(start, reference, device));
  return trainer;
}

}  // namespace operant::learner
