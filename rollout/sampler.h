// A row of logits becomes a token and its log-probability.
//
// The draw is inverse-CDF from one uniform number of a counter-based generator,
// over ids in a fixed order, so equal logits and an equal key give an equal
// token, whatever else is sampled.
#ifndef OPERANT_ROLLOUT_SAMPLER_H_
#define OPERANT_ROLLOUT_SAMPLER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace operant {
struct CpuKernels;
}

namespace operant::rollout {

// How tokens are drawn.
struct Sampling {
  float temperature = 1;  // divides the logits; 0: greedy
  float top_p = 1;        // (0, 1]; 1: off
  int32_t top_k = 0;      // 0: off
  int32_t max_response_tokens = 64;
  std::vector<int32_t> stop_token_ids;
};

// InvalidArgument names the field that is out of range.
absl::Status ValidateSampling(const Sampling& sampling, int64_t vocab_size);

struct SampledToken {
  int32_t id = 0;
  // Nats, under the distribution that the token was drawn from: after
  // temperature, then top-k, then top-p over what top-k left. Greedy has no
  // such distribution; there it is log softmax(logits)[id].
  float logprob = 0;
};

// Holds scratch memory. Not thread-safe.
class Sampler {
 public:
  Sampler();

  // Draws one token. `logits` is a row of V finite numbers; `uniform` in (0, 1)
  // (SampleUniform of the sample's key and the token's position in the
  // response; unused by greedy). Ties in greedy and in the order of top-k and
  // top-p go to the lowest id. DataLoss if a logit is not finite.
  absl::StatusOr<SampledToken> Sample(std::span<const float> logits,
                                      const Sampling& sampling, float uniform);

 private:
  struct Draw {
    std::span<const float> logits;
    float inverse_t;
    double total;  // of weights_
    float uniform;
  };

  // The token with its log-probability among tokens whose weights sum to
  // `total`.
  SampledToken Scored(const Draw& draw, int32_t id, double total) const;
  SampledToken DrawFromAll(const Draw& draw) const;
  SampledToken DrawFromSome(const Draw& draw, const Sampling& sampling);
  // Fills ids_ with the top_k (0: all) most likely ids.
  void RankIds(std::span<const float> logits, int32_t top_k);
  // How many of ranked_ are the shortest prefix that holds top_p of its sum.
  size_t CountTopP(float top_p) const;

  const CpuKernels& kernels_;
  float max_ = 0;               // logit of the row
  std::vector<float> weights_;  // exp((logit - max) / T), by id
  std::vector<float> sums_;     // of runs of weights_
  std::vector<int32_t> ids_;    // candidates, most likely first
  std::vector<float> ranked_;   // their weights
};

}  // namespace operant::rollout

#endif  // OPERANT_ROLLOUT_SAMPLER_H_
