// One version of the weights as the CPU engine reads them: matrices packed for
// its kernels, those with the same input side by side.
#ifndef OPERANT_COMMON_NN_CPU_WEIGHTS_H_
#define OPERANT_COMMON_NN_CPU_WEIGHTS_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "common/nn/cpu_kernels.h"
#include "common/nn/gemm.h"
#include "common/nn/inference_model.h"
#include "common/nn/model_config.h"
#include "common/nn/weight_image.h"

namespace operant {

struct CpuLayer {
  std::vector<float> attention_norm;  // [D]
  PackedMatrix qkv;                   // [(H + 2 K) Dh, D]: q, k, v
  PackedMatrix output;                // [D, H Dh]
  std::vector<float> ffn_norm;        // [D]
  PackedMatrix gate_up;               // [2 F, D]: gate, up
  PackedMatrix down;                  // [D, F]
};

struct CpuWeights : PackedWeights {
  CpuWeights(const CpuKernels& kernels, const ModelConfig& config);

  std::vector<float> embedding;  // [V, D]
  std::vector<CpuLayer> layers;
  std::vector<float> final_norm;  // [D]
  PackedMatrix head;              // [V, D]
};

// InvalidArgument names the first tensor that is missing or of another shape.
absl::StatusOr<std::shared_ptr<const CpuWeights>> PackForCpu(
    const CpuKernels& kernels, const ModelConfig& config,
    const WeightImage& image);

// The check alone: every tensor of `config` is in the image, in its shape.
absl::Status CheckFits(const ModelConfig& config, const WeightImage& image);

}  // namespace operant

#endif  // OPERANT_COMMON_NN_CPU_WEIGHTS_H_
