// What a run reads before it starts: model, tokenizer, prompts. Every fault is
// found here, before anything is spent.
#ifndef OPERANT_LEARNER_LEARNER_INPUTS_H_
#define OPERANT_LEARNER_LEARNER_INPUTS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "common/nn/weight_image.h"
#include "common/text/prompt_dataset.h"
#include "common/text/tokenizer.h"
#include "operant/v1/config.pb.h"
#include "operant/v1/rollout.pb.h"

namespace operant::learner {

struct LearnerInputs {
  HfModel reference;  // the folder as it is: start weights and reference
  std::unique_ptr<Tokenizer> tokenizer;
  std::vector<PromptRow> prompts;
  std::vector<PromptRow> eval_prompts;  // may be empty
  std::vector<PromptRow> real_rows;     // of data.sft_eval; may be empty
  // Responses of data.sft, to find copies of; may be empty.
  absl::flat_hash_set<std::string> training_responses;
  v1::SamplingParams sampling;       // of training
  v1::SamplingParams eval_sampling;  // of evaluation
};

// Reads what `config` (resolved) names. A missing file is NotFound, bad
// contents DataLoss; both name the file and the key.
absl::StatusOr<LearnerInputs> LoadLearnerInputs(const v1::RunConfig& config);

// The response's stop ids: rollout.stop_token_ids, or the model's eos ids.
// FailedPrecondition if there are none.
absl::StatusOr<std::vector<int32_t>> StopTokenIds(const v1::RunConfig& config,
                                                  const ModelConfig& model);

// Texts of the `response` column of a JSONL file, trimmed.
absl::StatusOr<absl::flat_hash_set<std::string>> LoadResponseTexts(
    const std::string& path, const Tokenizer& tokenizer);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_LEARNER_INPUTS_H_
