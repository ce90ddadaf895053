// A learner small enough for a unit test, with every real part: the training
// module, value head and optimiser, and the engines that read its weights.
#ifndef OPERANT_TESTS_LEARNER_TINY_LEARNER_H_
#define OPERANT_TESTS_LEARNER_TINY_LEARNER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/nn/causal_lm.h"
#include "common/nn/inference_model.h"
#include "learner/collective.h"
#include "learner/experience_builder.h"
#include "learner/ppo_update.h"
#include "learner/shared_optimizer.h"
#include "learner/value_head.h"
#include "operant/v1/config.pb.h"
#include "operant/v1/trajectory.pb.h"

namespace operant::learner {

// The defaults of config.proto, whitening off.
v1::PpoSection TinyPpoSection();

// A response as a worker would have sent it, sampled at version 0.
v1::Trajectory MakeTrajectory(const std::string& id,
                              const std::vector<int32_t>& prompt,
                              const std::vector<int32_t>& response,
                              const std::vector<float>& logprobs);

class TinyLearner {
 public:
  // Random weights from `seed`; the reference is the start. Dies if the engines
  // cannot be made.
  // With a collective it is one of its ranks.
  TinyLearner(int64_t vocab_size, const v1::PpoSection& ppo, uint64_t seed,
              Collective* collective = nullptr,
              SharedOptimizer::State state = SharedOptimizer::State::kWhole,
              ComputeType compute = ComputeType::kFp32);

  // Log-probs of each response's tokens after `prompt` under the policy now.
  std::vector<std::vector<float>> Logprobs(
      const std::vector<int32_t>& prompt,
      const std::vector<std::vector<int32_t>>& responses);

  absl::StatusOr<BuiltExperience> Build(
      const std::vector<v1::Trajectory>& trajectories,
      const std::vector<double>& scores);
  absl::StatusOr<UpdateStats> Update(const Experience& experience,
                                     const UpdateOptions& options);

  CausalLm& policy() { return *policy_; }
  SharedOptimizer& optimizer() { return *optimizer_; }
  at::Tensor flat_parameters() const {
    return optimizer_->adamw().flat_parameters();
  }
  const v1::PpoSection& ppo() const { return ppo_; }

 private:
  void Refresh();  // gives the reading engine the policy's weights

  v1::PpoSection ppo_;
  std::unique_ptr<CausalLm> policy_;
  TrainableValueHead value_head_;
  std::unique_ptr<Collective> alone_;
  Collective* collective_;
  std::unique_ptr<SharedOptimizer> optimizer_;
  std::unique_ptr<CausalLm> reference_module_;  // with bf16 only
  std::unique_ptr<InferenceModel> reader_;
  std::unique_ptr<InferenceModel> reference_;
};

}  // namespace operant::learner

#endif  // OPERANT_TESTS_LEARNER_TINY_LEARNER_H_
