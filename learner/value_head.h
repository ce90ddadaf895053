// The value head as the learner trains it: V(s) = weight . h(s) + bias, with h
// the policy's last hidden state after the final norm.
#ifndef OPERANT_LEARNER_VALUE_HEAD_H_
#define OPERANT_LEARNER_VALUE_HEAD_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "common/nn/inference_model.h"

namespace operant::learner {

// Starts at 0: the first step's advantages are then plain returns, and the head
// sends no gradient into the policy before it has learned anything. Not
// thread-safe; tensor errors throw c10::Error (call inside CatchTorch).
class TrainableValueHead {
 public:
  TrainableValueHead(int64_t hidden_size, Device device);

  // [N, D] -> [N], with gradient to the head and to `hidden`.
  at::Tensor Values(const at::Tensor& hidden) const;

  // Leaves: "value_head.weight" [D] and "value_head.bias" [1].
  std::vector<std::pair<std::string, at::Tensor>> Parameters() const;

  // A copy for an engine.
  ValueHead Export() const;
  // InvalidArgument if it is of another width.
  absl::Status Assign(const ValueHead& head);

  // Least squares, in place of gradients. Observe notes [N, D] hidden states
  // and their [N] returns, each counted `weights` times. Fit puts the head
  // where the squared error over all that was noted is least, what was noted k
  // fits ago counting kMemory^k. It forgets what is not finite. The weights are
  // held back by kRidge, as a share of the inputs' mean square; the bias is
  // free, so that without evidence the value is the mean return. A policy that
  // fails 1 time in 500 shows a fit about a hundred failures, too few for as
  // many weights: what a fit makes up is noise in every advantage.
  static constexpr double kMemory = 0.97;
  static constexpr double kRidge = 0.1;
  void Observe(const at::Tensor& hidden, const at::Tensor& returns,
               const at::Tensor& weights);
  // What was noted since the last fit: sums, so ranks add theirs up before it.
  at::Tensor observed() { return observed_; }
  // What earlier fits remember: state, so ranks start from the same.
  at::Tensor moments() { return moments_; }
  void Fit();

  // One safetensors file, written atomically. Load is strict: NotFound,
  // DataLoss; on an error nothing changes.
  absl::Status Save(const std::string& path) const;
  absl::Status Load(const std::string& path);

 private:
  at::Tensor weight_;  // [D] fp32
  at::Tensor bias_;    // [1] fp32
  // Sums of w x x^T and w y x over observations, x = [h, 1]: [D+1, D+2] fp32.
  at::Tensor observed_;  // since the last fit
  at::Tensor moments_;   // before it
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_VALUE_HEAD_H_
