// One version of the weights as LibTorch tensors on the engine's device.
#ifndef OPERANT_COMMON_NN_ATEN_WEIGHTS_H_
#define OPERANT_COMMON_NN_ATEN_WEIGHTS_H_

#include <memory>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/nn/inference_model.h"
#include "common/nn/model_config.h"
#include "common/nn/weight_image.h"

namespace operant {

// y = x . weight^T + bias; an undefined bias is none.
struct AtenLinear {
  at::Tensor weight;  // [out, in]
  at::Tensor bias;    // [out]
};

struct AtenLayer {
  at::Tensor attention_norm;  // [D]
  AtenLinear qkv;             // q, k, v, one below the other
  AtenLinear output;
  at::Tensor ffn_norm;  // [D]
  AtenLinear gate_up;   // gate, up
  AtenLinear down;
};

struct AtenWeights : PackedWeights {
  at::Tensor embedding;  // [V, D]
  std::vector<AtenLayer> layers;
  at::Tensor final_norm;  // [D]
  at::Tensor head;        // [V, D]
};

// Copies an image that fits the model. Throws c10::Error.
std::shared_ptr<const AtenWeights> CopyToDevice(const ModelConfig& config,
                                                const WeightImage& image,
                                                const at::TensorOptions& to);

}  // namespace operant

#endif  // OPERANT_COMMON_NN_ATEN_WEIGHTS_H_
