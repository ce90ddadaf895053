// An engine whose scores a test dictates.
#ifndef OPERANT_TESTS_LEARNER_SCRIPTED_MODEL_H_
#define OPERANT_TESTS_LEARNER_SCRIPTED_MODEL_H_

#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "common/nn/inference_model.h"

namespace operant::learner {

class ScriptedModel : public InferenceModel {
 public:
  // The score of tokens[position].
  using Script = std::function<TokenScore(std::span<const int32_t> tokens,
                                          int32_t position)>;

  explicit ScriptedModel(Script script) : script_(std::move(script)) {
    config_.max_position_embeddings = 16;
  }

  absl::StatusOr<std::shared_ptr<const PackedWeights>> Pack(
      const WeightImage&) const override {
    return absl::UnimplementedError("scripted");
  }
  void Use(std::shared_ptr<const PackedWeights>) override {}
  absl::Status Forward(std::span<const SlotTokens>, std::span<float>) override {
    return absl::UnimplementedError("scripted");
  }
  void CopySlot(int, int, int) override {}

  absl::Status Score(std::span<const SequenceTokens> sequences,
                     float temperature, const ValueHead*,
                     std::vector<TokenScore>& out) override {
    last_temperature = temperature;
    for (const SequenceTokens& s : sequences) {
      const auto end = static_cast<int32_t>(s.tokens.size());
      for (int32_t position = s.first_scored; position < end; ++position) {
        out.push_back(script_(s.tokens, position));
      }
    }
    return absl::OkStatus();
  }

  const ModelConfig& config() const override { return config_; }

  float last_temperature = 0;

 private:
  Script script_;
  ModelConfig config_;
};

}  // namespace operant::learner

#endif  // OPERANT_TESTS_LEARNER_SCRIPTED_MODEL_H_
