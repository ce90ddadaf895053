// AdamW: Adam (Kingma, Ba, arXiv 1412.6980, Algorithm 1) with decoupled weight
// decay (Loshchilov, Hutter, arXiv 1711.05101, Algorithm 2), over one flat
// buffer.
#ifndef OPERANT_COMMON_NN_ADAMW_H_
#define OPERANT_COMMON_NN_ADAMW_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"

namespace operant {

// Parameters that share a learning rate. Leaves, fp32, requires_grad, one
// device for all groups; names are unique over all groups.
struct ParameterGroup {
  std::vector<std::pair<std::string, at::Tensor>> parameters;
  double learning_rate = 1e-3;
};

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  // Decay per step is learning rate * weight_decay; matrices only (a parameter
  // of rank 2 or more), never norms, biases or a value head's vector.
  double weight_decay = 0;
  // Gradients are scaled down to this global L2 norm; 0: never.
  double max_gradient_norm = 0;
};

struct AdamWStep {
  double gradient_norm = 0;  // global L2 norm before clipping
  bool clipped = false;
  // False if the norm was not finite: nothing changed, the step is not
  // counted, and the gradients were dropped.
  bool applied = false;
};

// Takes the parameters' storage over: each becomes a view of one flat buffer,
// and so does its gradient, which is why gradients are zeroed here and never
// reset to undefined elsewhere. Values do not change. Not thread-safe; throws
// c10::Error on misuse (call inside CatchTorch), except for Save and Load.
class AdamW {
 public:
  AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options);

  // Call before the first backward pass of a step; Step() does it at its end.
  void ZeroGradients();
  // Global L2 norm of the accumulated gradients, summed in double.
  double GradientNorm() const;
  // Checks, clips, updates with learning_rate * learning_rate_scale of each
  // group, and zeroes the gradients.
  AdamWStep Step(double learning_rate_scale);

  // [P] fp32, every group in order: what ranks all-reduce or broadcast.
  at::Tensor flat_parameters() const { return parameters_; }
  at::Tensor flat_gradients() const { return gradients_; }
  int64_t steps() const { return steps_; }  // applied so far

  // Moments and step count as one safetensors file (no parameters), written
  // atomically. Load is strict: the same names and shapes; NotFound, DataLoss.
  absl::Status Save(const std::string& path) const;
  absl::Status Load(const std::string& path);

 private:
  // A run of the flat buffer with one learning rate and one decay.
  struct Segment {
    int64_t begin = 0;
    int64_t end = 0;
    double learning_rate = 0;
    double weight_decay = 0;
  };
  struct Entry {
    std::string name;
    at::Tensor parameter;
    int64_t begin = 0;
  };
  struct StepFactors;

  void Flatten(const std::vector<ParameterGroup>& groups);
  void Adopt(const std::pair<std::string, at::Tensor>& parameter,
             int64_t begin);
  void UpdateSegment(const Segment& segment, const StepFactors& factors);

  AdamWOptions options_;
  std::vector<Entry> entries_;
  std::vector<Segment> segments_;
  at::Tensor parameters_;  // [P]
  at::Tensor gradients_;   // [P]
  at::Tensor first_;       // [P] m, first moment
  at::Tensor second_;      // [P] v, second moment
  int64_t steps_ = 0;
};

}  // namespace operant

#endif  // OPERANT_COMMON_NN_ADAMW_H_
