#include "learner/value_head.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/nn/safetensors.h"

namespace operant::learner {
namespace {

constexpr const char* kWeightName = "value_head.weight";
constexpr const char* kBiasName = "value_head.bias";

at::Tensor ZeroLeaf(int64_t size, Device device) {
  return torch::zeros(
      {size}, at::TensorOptions()
                  .dtype(at::kFloat)
                  .device(device == Device::kCuda ? at::kCUDA : at::kCPU)
                  .requires_grad(true));
}

void CopyInto(at::Tensor& leaf, const std::vector<float>& values) {
  torch::NoGradGuard no_grad;
  leaf.copy_(torch::tensor(values, at::kFloat));
}

std::vector<float> ToFloats(const at::Tensor& leaf) {
  const at::Tensor host = leaf.detach().cpu().contiguous();
  const float* begin = host.data_ptr<float>();
  return {begin, begin + host.numel()};
}

absl::StatusOr<std::vector<float>> ReadVector(const SafetensorsReader& file,
                                              const char* name, int64_t size) {
  for (const WeightTensor& tensor : file.tensors()) {
    if (tensor.name != name || tensor.type != WeightType::kF32 ||
        tensor.shape != std::vector<int64_t>{size}) {
      continue;
    }
    std::vector<float> values(size);
    RETURN_IF_ERROR(
        file.Read(tensor, std::as_writable_bytes(std::span(values))));
    const auto is_finite = [](float value) { return std::isfinite(value); };
    if (std::ranges::all_of(values, is_finite)) return values;
  }
  return absl::DataLossError(absl::StrCat(
      "value head not loaded: file=", file.path(), ", expected finite F32 '",
      name, "' of shape [", size, "]; resume from an older checkpoint"));
}

}  // namespace

TrainableValueHead::TrainableValueHead(int64_t hidden_size, Device device)
    : weight_(ZeroLeaf(hidden_size, device)), bias_(ZeroLeaf(1, device)) {}

at::Tensor TrainableValueHead::Values(const at::Tensor& hidden) const {
  return at::mv(hidden, weight_) + bias_;
}

std::vector<std::pair<std::string, at::Tensor>> TrainableValueHead::Parameters()
    const {
  return {{kWeightName, weight_}, {kBiasName, bias_}};
}

ValueHead TrainableValueHead::Export() const {
  return {.weight = ToFloats(weight_), .bias = bias_.item<float>()};
}

absl::Status TrainableValueHead::Assign(const ValueHead& head) {
  if (static_cast<int64_t>(head.weight.size()) != weight_.numel()) {
    return absl::InvalidArgumentError(
        absl::StrCat("value head refused: width=", head.weight.size(),
                     ", expected ", weight_.numel()));
  }
  CopyInto(weight_, head.weight);
  CopyInto(bias_, {head.bias});
  return absl::OkStatus();
}

absl::Status TrainableValueHead::Save(const std::string& path) const {
  const std::vector<WeightTensor> tensors = {
      {.name = kWeightName, .shape = {weight_.numel()}},
      {.name = kBiasName, .shape = {1}}};
  ASSIGN_OR_RETURN(const std::unique_ptr<SafetensorsWriter> file,
                   SafetensorsWriter::Create(path, tensors));
  for (const at::Tensor& leaf : {weight_, bias_}) {
    const std::vector<float> values = ToFloats(leaf);
    RETURN_IF_ERROR(file->Append(std::as_bytes(std::span(values))));
  }
  return file->Commit();
}

absl::Status TrainableValueHead::Load(const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<SafetensorsReader> file,
                   SafetensorsReader::Open(path));
  ASSIGN_OR_RETURN(std::vector<float> weight,
                   ReadVector(*file, kWeightName, weight_.numel()));
  ASSIGN_OR_RETURN(const std::vector<float> bias,
                   ReadVector(*file, kBiasName, 1));
  return Assign({.weight = std::move(weight), .bias = bias.front()});
}

}  // namespace operant::learner
