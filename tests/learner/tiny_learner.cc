#include "tests/learner/tiny_learner.h"

#include <torch/torch.h>

#include <span>
#include <utility>

#include "common/nn/module_scorer.h"

namespace operant::learner {
namespace {

constexpr int64_t kWidth = 32;
constexpr int64_t kScorerTokens = 64;  // of a pass of the module scorer

ModelConfig TinyModel(int64_t vocab_size) {
  ModelConfig config;
  config.vocab_size = vocab_size;
  config.hidden_size = kWidth;
  config.intermediate_size = 64;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 2;
  config.head_dim = 16;
  config.max_position_embeddings = 16;
  return config;
}

std::unique_ptr<InferenceModel> MakeEngine(const ModelConfig& config,
                                           const WeightImage& weights) {
  std::unique_ptr<InferenceModel> engine =
      InferenceModel::Create(config, {.slots = 1}).value();
  engine->Use(engine->Pack(weights).value());
  return engine;
}

}  // namespace

v1::PpoSection TinyPpoSection() {
  v1::PpoSection ppo;
  ppo.set_learning_rate(1e-3);
  ppo.set_value_learning_rate(1e-2);
  ppo.set_adam_beta1(0.9);
  ppo.set_adam_beta2(0.95);
  ppo.set_adam_epsilon(1e-8);
  ppo.set_max_gradient_norm(1);
  ppo.set_epochs(1);
  ppo.set_clip_low(0.2);
  ppo.set_clip_high(0.28);
  ppo.set_dual_clip(3);
  ppo.set_value_clip(0.2);
  ppo.set_value_coefficient(0.5);
  ppo.set_gamma(1);
  ppo.set_lambda(0.95);
  ppo.set_kl_coefficient(0.02);
  ppo.set_score_clip(5);
  ppo.set_no_whitening(true);
  ppo.set_truncated("terminal");
  ppo.set_importance_cap(2);
  ppo.set_train_fraction(1);
  ppo.set_ratio_tolerance(1e-4);
  return ppo;
}

v1::Trajectory MakeTrajectory(const std::string& id,
                              const std::vector<int32_t>& prompt,
                              const std::vector<int32_t>& response,
                              const std::vector<float>& logprobs) {
  v1::Trajectory t;
  t.set_id(id);
  t.set_group_id("group");
  t.mutable_prompt_token_ids()->Assign(prompt.begin(), prompt.end());
  t.mutable_response_token_ids()->Assign(response.begin(), response.end());
  t.mutable_response_logprobs()->Assign(logprobs.begin(), logprobs.end());
  t.set_finish(v1::FINISH_REASON_STOP);
  v1::VersionSpan* span = t.add_versions();
  span->set_tokens(static_cast<uint32_t>(response.size()));
  return t;
}

TinyLearner::TinyLearner(int64_t vocab_size, const v1::PpoSection& ppo,
                         uint64_t seed, Collective* collective,
                         SharedOptimizer::State state, ComputeType compute)
    : ppo_(ppo),
      policy_(CausalLm::Create(TinyModel(vocab_size), {.compute = compute})),
      value_head_(kWidth, Device::kCpu),
      alone_(CreateNoCollective()),
      collective_(collective != nullptr ? collective : alone_.get()) {
  at::set_num_threads(1);  // a model this small only waits for threads
  policy_->InitRandom(seed);
  const WeightImage start = policy_->Export();
  if (compute == ComputeType::kFp32) {
    reader_ = MakeEngine(policy_->config(), start);
    reference_ = MakeEngine(policy_->config(), start);
  } else {  // as the learner does (policy_trainer.cc)
    reference_module_ =
        CausalLm::Create(policy_->config(), {.compute = compute});
    reference_module_->Load(start);
    reader_ = CreateModuleScorer(policy_.get(), kScorerTokens);
    reference_ = CreateModuleScorer(reference_module_.get(), kScorerTokens);
  }
  optimizer_ = SharedOptimizer::Create(
      {{policy_->Parameters(), ppo.learning_rate()},
       {value_head_.Parameters(), ppo.value_learning_rate()}},
      AdamWOptions{.beta1 = ppo.adam_beta1(),
                   .beta2 = ppo.adam_beta2(),
                   .epsilon = ppo.adam_epsilon(),
                   .max_gradient_norm = ppo.max_gradient_norm()},
      state, collective_);
}

void TinyLearner::Refresh() {
  if (reference_module_ != nullptr) return;  // it reads the policy itself
  reader_->Use(reader_->Pack(policy_->Export()).value());
}

std::vector<std::vector<float>> TinyLearner::Logprobs(
    const std::vector<int32_t>& prompt,
    const std::vector<std::vector<int32_t>>& responses) {
  Refresh();
  std::vector<std::vector<int32_t>> sequences;
  std::vector<SequenceTokens> spans;
  for (const std::vector<int32_t>& response : responses) {
    std::vector<int32_t>& sequence = sequences.emplace_back(prompt);
    sequence.insert(sequence.end(), response.begin(), response.end());
  }
  for (const std::vector<int32_t>& sequence : sequences) {
    spans.push_back({sequence, static_cast<int32_t>(prompt.size())});
  }
  std::vector<TokenScore> scores;
  reader_->Score(spans, /*temperature=*/1, nullptr, scores).IgnoreError();
  std::vector<std::vector<float>> logprobs;
  auto next = scores.begin();
  for (const std::vector<int32_t>& response : responses) {
    std::vector<float>& row = logprobs.emplace_back();
    for (size_t t = 0; t < response.size(); ++t) {
      row.push_back((next++)->logprob);
    }
  }
  return logprobs;
}

absl::StatusOr<BuiltExperience> TinyLearner::Build(
    const std::vector<v1::Trajectory>& trajectories,
    const std::vector<double>& scores) {
  Refresh();
  std::vector<ItemScore> items(scores.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    items[i].outcome = ItemScore::Outcome::kScored;
    items[i].score = scores[i];
  }
  const ValueHead head = value_head_.Export();
  return BuildExperience({.trajectories = trajectories,
                          .scores = items,
                          .policy = reader_.get(),
                          .value_head = &head,
                          .reference = reference_.get(),
                          .collective = collective_,
                          .kl_coefficient = ppo_.kl_coefficient(),
                          .ppo = &ppo_});
}

absl::StatusOr<UpdateStats> TinyLearner::Update(const Experience& experience,
                                                const UpdateOptions& options) {
  UpdateOptions with_section = options;
  with_section.ppo = &ppo_;
  return PpoUpdate(
      experience, with_section,
      {policy_.get(), &value_head_, optimizer_.get(), collective_});
}

}  // namespace operant::learner
