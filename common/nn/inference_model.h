// The decoder as an engine runs it: no autograd, a KV cache per slot, ragged
// batches without padding. The same weights as the learner's module
// (causal_lm.h); a parity test holds the two together.
//
// Two implementations behind one interface: `cpu` (own fp32 kernels, weights
// packed once per version) and `aten` (LibTorch operators, any device and
// dtype).
//
// Batch invariance (cpu): a row's result depends on that row's sequence alone,
// bit for bit, whatever else is in the batch and however a prompt is cut into
// chunks.
#ifndef OPERANT_COMMON_NN_INFERENCE_MODEL_H_
#define OPERANT_COMMON_NN_INFERENCE_MODEL_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "common/nn/model_config.h"
#include "common/nn/weight_image.h"

namespace operant {

enum class Device { kCpu, kCuda };
enum class ComputeType { kFp32, kBf16 };

// "auto", "cpu" or "cuda". FailedPrecondition if cuda is asked for and not
// there; InvalidArgument for anything else.
absl::StatusOr<Device> ParseDevice(std::string_view name);

// Weights made ready for one kind of engine (packed, on its device). Immutable;
// shared by the engines that run it.
class PackedWeights {
 public:
  virtual ~PackedWeights() = default;
};

// Tokens to append to one slot's sequence.
struct SlotTokens {
  int slot = 0;
  int32_t position = 0;  // of the first token; earlier ones are in the cache
  std::span<const int32_t> tokens;
};

// What the scorer says of one token of a sequence.
struct TokenScore {
  float logprob = 0;  // of the token, nats, under softmax(logits / T)
  float entropy = 0;  // of that whole distribution, nats
  float value = 0;    // V(s_t), value head before the token; 0 without one
};

// A sequence to score: prompt then response.
struct SequenceTokens {
  std::span<const int32_t> tokens;
  int32_t first_scored = 1;  // first position to score (prompt length), >= 1
};

// The value head: V(s) = weight . h + bias, h the normalised last hidden state.
struct ValueHead {
  std::vector<float> weight;  // [D]
  float bias = 0;
};

// Not thread-safe: one thread drives an engine. Its own helper threads are
// inside.
class InferenceModel {
 public:
  struct Options {
    Device device = Device::kCpu;
    ComputeType compute = ComputeType::kFp32;
    int slots = 64;         // sequences with a cache
    int max_positions = 0;  // per slot; 0: the model's limit
    int threads = 1;
    bool force_aten = false;  // the aten implementation on the CPU too
  };

  static absl::StatusOr<std::unique_ptr<InferenceModel>> Create(
      const ModelConfig& config, const Options& options);
  virtual ~InferenceModel() = default;

  // Packs an fp32 image for this kind of engine. May be called from another
  // thread while the engine runs. InvalidArgument if it does not fit the model.
  virtual absl::StatusOr<std::shared_ptr<const PackedWeights>> Pack(
      const WeightImage& weights) const = 0;

  // Runs with `weights` from the next call on: a pointer swap. Caches hold
  // what older weights wrote; whoever swaps decides whether to go on with them.
  virtual void Use(std::shared_ptr<const PackedWeights> weights) = 0;

  // Appends tokens to slots (one entry per slot, several tokens for a prompt,
  // one for a decode step) and writes the logits after each entry's LAST token
  // to `logits` [entries, V], row-major, fp32.
  virtual absl::Status Forward(std::span<const SlotTokens> batch,
                               std::span<float> logits) = 0;

  // Copies the first `positions` cached positions of `from` to `to` (a group
  // shares its prompt).
  virtual void CopySlot(int from, int to, int positions) = 0;

  // Scores whole sequences without a cache and without keeping [T, V] logits:
  // for each sequence, one TokenScore per position from first_scored to its
  // end, appended to `out` in order. `value_head` may be null.
  virtual absl::Status Score(std::span<const SequenceTokens> sequences,
                             float temperature, const ValueHead* value_head,
                             std::vector<TokenScore>& out) = 0;

  virtual const ModelConfig& config() const = 0;
};

}  // namespace operant

#endif  // OPERANT_COMMON_NN_INFERENCE_MODEL_H_
