// What the learner trains on: one step's responses with everything that was
// computed about them. On the host and ragged; ppo_math.h's padded [B, T] form
// is made where it is needed.
//
// Shapes: B responses; response i has P_i prompt and T_i response tokens;
// N = sum T_i; T = max T_i; D the model's width; V its vocabulary. Symbols as
// in ppo_math.h.
#ifndef OPERANT_LEARNER_EXPERIENCE_H_
#define OPERANT_LEARNER_EXPERIENCE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "operant/v1/trajectory.pb.h"

namespace operant::learner {

// Row i is trajectory i of the step. Rows that are not trained on (ignored or
// dropped by the reward, or masked because truncated) keep their tokens and
// figures, and have rewards, advantages and returns of 0.
struct Experience {
  // Per response, [B].
  std::vector<std::string> trajectory_ids;
  std::vector<std::string> group_ids;
  std::vector<v1::FinishReason> finishes;
  std::vector<int64_t> staleness;  // training version - oldest sampling version
  std::vector<float> scores;       // as trained on, cut to score_clip
  std::vector<uint8_t> trained;    // 1: its tokens are in the mask
  std::vector<float> weights;      // of its terms in every mean; usually 1

  // Per token, concatenated. [B + 1] offsets: row i is [begin[i], begin[i+1]).
  std::vector<int64_t> prompt_begin;
  std::vector<int32_t> prompt_tokens;  // [sum P_i]
  std::vector<int64_t> response_begin;
  std::vector<int32_t> tokens;      // [N] a_t
  std::vector<float> sampler_logp;  // [N] log mu, nats
  std::vector<float> old_logp;      // [N] log pi_old, nats
  std::vector<float> ref_logp;      // [N] log pi_ref, nats
  std::vector<float> entropy;       // [N] of pi_old(. | s_t), nats
  std::vector<float> values;        // [N] V_old(s_t)
  std::vector<float> rewards;       // [N] r_t
  std::vector<float> advantages;    // [N] A_t, whitened unless told otherwise
  std::vector<float> returns;       // [N] R_t

  int64_t responses() const { return static_cast<int64_t>(trained.size()); }
  int64_t prompt_length(int64_t i) const {
    return prompt_begin[i + 1] - prompt_begin[i];
  }
  int64_t length(int64_t i) const {
    return response_begin[i + 1] - response_begin[i];
  }
  int64_t trained_responses() const;
  int64_t trained_tokens() const;  // the mask's sum

  std::span<const int32_t> Prompt(int64_t i) const {
    return std::span(prompt_tokens).subspan(prompt_begin[i], prompt_length(i));
  }
  // Row i of one of the [N] fields.
  template <typename T>
  std::span<const T> Row(const std::vector<T>& field, int64_t i) const {
    return std::span(field).subspan(response_begin[i], length(i));
  }
};

// [B, T] bool on the CPU: true for the tokens of trained responses.
at::Tensor PaddedMask(const Experience& experience);

// [B, 1] fp32 on the CPU: `weights`, to be broadcast over tokens.
at::Tensor WeightColumn(const Experience& experience);

// A [N] field as [B, T] fp32 on the CPU, zero after each row's end.
at::Tensor Padded(const Experience& experience,
                  const std::vector<float>& field);

// The inverse of Padded: [B, T] fp32 on the CPU -> [N].
std::vector<float> Unpadded(const Experience& experience,
                            const at::Tensor& padded);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_EXPERIENCE_H_
