// The preference-model scorer: what a reward model trained on preferences says
// (`operant rm`, or any Hugging Face sequence-classification folder of the
// Llama family with one label).
#ifndef OPERANT_REWARD_PREFERENCE_SCORER_H_
#define OPERANT_REWARD_PREFERENCE_SCORER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/nn/inference_model.h"
#include "common/text/tokenizer.h"
#include "reward/scorer.h"

namespace operant::reward {

// Score: (logit - mean) / std, the logit read from the state of the last token
// of prompt, response and, where the response ended by itself, the end of
// sequence. The text is encoded by the model's own tokenizer. Component:
// "logit". An item that is longer than the model's context is an error. Batches
// are packed: no padding is computed.
class PreferenceScorer : public Scorer {
 public:
  // Computes on `threads` threads. Errors: those of LoadSequenceClassifier and
  // Tokenizer::Load; FailedPrecondition (the device is not there).
  static absl::StatusOr<std::unique_ptr<Scorer>> Create(
      const v1::PreferenceModel& config, int threads);

  v1::GetInfoResponse Describe() const override;
  void Score(const Items& items, const Cancelled& cancelled,
             Results& results) const override;

 private:
  PreferenceScorer(const v1::PreferenceModel& config,
                   std::unique_ptr<Tokenizer> tokenizer,
                   std::unique_ptr<InferenceModel> engine, ValueHead head,
                   std::string version);

  absl::StatusOr<std::vector<int32_t>> TokensOf(
      const v1::ScoreItem& item) const;
  absl::StatusOr<std::vector<double>> Logits(
      const std::vector<std::vector<int32_t>>& sequences) const;

  const v1::PreferenceModel config_;
  const std::unique_ptr<Tokenizer> tokenizer_;
  const ModelConfig model_;
  const ValueHead head_;
  const std::string version_;  // digest of the weights
  // One call at a time: the engine has threads of its own.
  mutable absl::Mutex mu_;
  const std::unique_ptr<InferenceModel> engine_ ABSL_PT_GUARDED_BY(mu_);
};

}  // namespace operant::reward

#endif  // OPERANT_REWARD_PREFERENCE_SCORER_H_
