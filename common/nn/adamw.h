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
#include "absl/status/statusor.h"

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

// What part of the optimiser's state this process keeps, where several train
// one model (ZeRO stage 1, Rajbhandari et al., arXiv 1910.02054, section 5.1):
// of every block of the flat buffer part `rank` of `ranks` equal ones.
struct AdamWShare {
  int rank = 0;
  int ranks = 1;
};

// [begin, end) of the flat buffer.
struct FlatRange {
  int64_t begin = 0;
  int64_t end = 0;

  int64_t size() const { return end - begin; }
};

// Moments of every parameter, in the order of the flat buffer, whoever keeps
// which share of them.
struct AdamWMoments {
  at::Tensor first;   // [P] fp32, on the parameters' device
  at::Tensor second;  // [P]
  int64_t steps = 0;  // applied so far
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
  AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options,
        const AdamWShare& share = {});

  AdamW(const AdamW&) = delete;
  AdamW& operator=(const AdamW&) = delete;

  // Call before the first backward pass of a step; Step() does it at its end.
  void ZeroGradients();
  // Squared L2 norm of the accumulated gradients of this process's share,
  // summed in double. Over all shares it adds up to the global one.
  double SquaredGradientNorm() const;
  // Checks and clips by the global norm, updates this process's share with
  // learning_rate * learning_rate_scale of each group, and zeroes the
  // gradients.
  AdamWStep Step(double learning_rate_scale, double squared_gradient_norm);
  AdamWStep Step(double learning_rate_scale) {  // of the only process
    return Step(learning_rate_scale, SquaredGradientNorm());
  }

  // [P] fp32, every group in order, zeros at the end so that every block is a
  // multiple of share.ranks: what ranks exchange.
  at::Tensor flat_parameters() const { return parameters_; }
  at::Tensor flat_gradients() const { return gradients_; }
  int64_t steps() const { return steps_; }  // applied so far
  // Bytes of both moments in this process.
  int64_t state_bytes() const;

  // Consecutive pieces of the flat buffer, all of it.
  const std::vector<FlatRange>& blocks() const { return blocks_; }
  // Parameters and where they lie in the flat buffer; `order` is the place in
  // the groups as they were given.
  struct Entry {
    std::string name;
    at::Tensor parameter;
    FlatRange range;
    int64_t order = 0;
  };
  const std::vector<Entry>& entries() const { return entries_; }

  // Of a share, the moments of the others are zeros. Set takes what is its own.
  AdamWMoments Moments() const;
  void SetMoments(const AdamWMoments& moments);

  // Moments and step count as one safetensors file (no parameters), written
  // atomically; `moments` is of all shares. Read is strict: the same names and
  // shapes; NotFound, DataLoss.
  absl::Status Write(const std::string& path,
                     const AdamWMoments& moments) const;
  absl::StatusOr<AdamWMoments> Read(const std::string& path) const;
  // Of the only process.
  absl::Status Save(const std::string& path) const {
    return Write(path, Moments());
  }
  absl::Status Load(const std::string& path);

 private:
  // A run of the flat buffer with one learning rate and one decay.
  struct Segment {
    FlatRange range;
    double learning_rate = 0;
    double weight_decay = 0;
  };
  // What of a segment is in this process's share.
  struct Piece {
    FlatRange range;
    int64_t state_begin = 0;  // in first_ and second_
    const Segment* segment = nullptr;
  };
  struct StepFactors;

  void Flatten(const std::vector<ParameterGroup>& groups);
  void Adopt(const std::pair<std::string, at::Tensor>& parameter, int64_t begin,
             int64_t order);
  void CutBlocks(int64_t elements);
  void TakeShare();
  FlatRange ShareOf(const FlatRange& block) const;
  void UpdatePiece(const Piece& piece, const StepFactors& factors);

  AdamWOptions options_;
  AdamWShare share_;
  std::vector<Entry> entries_;
  std::vector<Segment> segments_;
  std::vector<FlatRange> blocks_;
  std::vector<Piece> pieces_;
  at::Tensor parameters_;  // [P]
  at::Tensor gradients_;   // [P]
  at::Tensor first_;       // [P / ranks] m, first moment
  at::Tensor second_;      // [P / ranks] v, second moment
  int64_t steps_ = 0;
};

}  // namespace operant

#endif  // OPERANT_COMMON_NN_ADAMW_H_
