// Generation and scoring without services: what `operant generate` and
// `operant logprobs` call. Token ids in, token ids out; nothing is added to a
// prompt and nothing is appended to a response.
#ifndef OPERANT_ROLLOUT_OFFLINE_GENERATION_H_
#define OPERANT_ROLLOUT_OFFLINE_GENERATION_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/nn/inference_model.h"
#include "common/nn/weight_image.h"
#include "operant/v1/trajectory.pb.h"
#include "rollout/sampler.h"

namespace operant::rollout {

// One response; the fields are those of Trajectory.
struct OfflineResponse {
  std::vector<int32_t> token_ids;  // includes the stop token
  std::vector<float> logprobs;     // as in Trajectory.response_logprobs
  v1::FinishReason finish = v1::FINISH_REASON_UNSPECIFIED;
};

// A row to score: log-probabilities are given for the response's tokens.
struct OfflineRow {
  std::vector<int32_t> prompt_token_ids;    // at least 1
  std::vector<int32_t> response_token_ids;  // at least 1
};

// One model, loaded. Not thread-safe.
class OfflineModel {
 public:
  // Reads a Hugging Face folder. Errors: those of LoadHfModel and of
  // InferenceModel::Create.
  static absl::StatusOr<std::unique_ptr<OfflineModel>> Open(
      const std::string& folder, const InferenceModel::Options& options);
  // The same from a model in memory.
  static absl::StatusOr<std::unique_ptr<OfflineModel>> FromModel(
      HfModel model, const InferenceModel::Options& options);
  virtual ~OfflineModel() = default;

  // One response for each prompt, in the prompts' order. Prompt i is drawn with
  // the key (seed, i, 0), so a row's response depends on its index and on
  // nothing else in the call. InvalidArgument names the row (from 0).
  virtual absl::StatusOr<std::vector<OfflineResponse>> Generate(
      std::span<const std::vector<int32_t>> prompts, const Sampling& sampling,
      uint64_t seed) = 0;

  // For each row, one TokenScore per response token under
  // softmax(logits / temperature). InvalidArgument names the row (from 0).
  virtual absl::StatusOr<std::vector<std::vector<TokenScore>>> Score(
      std::span<const OfflineRow> rows, float temperature) = 0;

  // Stop ids, vocabulary and context limit are read from here.
  virtual const ModelConfig& config() const = 0;
};

}  // namespace operant::rollout

#endif  // OPERANT_ROLLOUT_OFFLINE_GENERATION_H_
