// The decoder as the learner trains it: a LibTorch module with autograd. Packed
// or padded batches, no logits kept for the whole vocabulary.
#ifndef OPERANT_COMMON_NN_CAUSAL_LM_H_
#define OPERANT_COMMON_NN_CAUSAL_LM_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "common/nn/inference_model.h"
#include "common/nn/model_config.h"
#include "common/nn/weight_image.h"

namespace operant {

// A right-padded batch of sequences. B sequences, L the longest.
struct TokenBatch {
  at::Tensor tokens;   // [B, L] int64; padding is any valid id
  at::Tensor lengths;  // [B] int64 on the CPU, 1..L
};

// What a backward pass finds kept: every activation, or each decoder layer's
// input alone, from which the layer is computed again. The results are the
// same; the second is a third more work.
enum class Recompute { kNone, kLayer };

// Not thread-safe. Throws c10::Error on misuse (call inside CatchTorch). Has to
// outlive the graphs of its results.
//
// Parameters and their gradients are fp32 whatever it computes in. With kBf16
// the products of the layers, and their input activations that wait for the
// backward pass, are bf16 (bf16_product.h); the residual stream, norms,
// softmax, logits and log-probs are fp32.
class CausalLm {
 public:
  struct Options {
    Device device = Device::kCpu;
    ComputeType compute = ComputeType::kFp32;
    Recompute recompute = Recompute::kNone;
  };
  static std::unique_ptr<CausalLm> Create(const ModelConfig& config,
                                          const Options& options);
  virtual ~CausalLm() = default;

  // Normal(0, 0.02), residual outputs scaled by 1/sqrt(2 layers); norms 1,
  // biases 0. Deterministic in `seed`.
  virtual void InitRandom(uint64_t seed) = 0;
  // Copies an fp32 image in / out (canonical order and names).
  virtual void Load(const WeightImage& weights) = 0;
  virtual WeightImage Export() const = 0;

  // Hidden states after the final norm at every real (unpadded) position,
  // concatenated over sequences: [sum(lengths), D] fp32.
  virtual at::Tensor Hidden(const TokenBatch& batch) = 0;
  // Logits of hidden rows: [N, D] -> [N, V] fp32.
  virtual at::Tensor Logits(const at::Tensor& hidden) = 0;
  // log softmax(logits / T)[target] and the entropy of softmax(logits / T) of
  // each row, without keeping [N, V]: tiles of rows, recomputed in backward.
  // {[N], [N]}; the entropy carries gradient only if `entropy_gradient`.
  virtual std::pair<at::Tensor, at::Tensor> LogProbs(const at::Tensor& hidden,
                                                     const at::Tensor& targets,
                                                     double temperature,
                                                     bool entropy_gradient) = 0;

  // Canonical (Hugging Face) name and leaf parameter, fp32, requires_grad.
  virtual std::vector<std::pair<std::string, at::Tensor>> Parameters() = 0;
  virtual const ModelConfig& config() const = 0;
};

}  // namespace operant

#endif  // OPERANT_COMMON_NN_CAUSAL_LM_H_
