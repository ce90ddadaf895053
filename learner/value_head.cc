#include "learner/value_head.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/nn/safetensors.h"

namespace operant::learner {
namespace {

// Of inputs that only always go together, and where nothing was observed.
constexpr double kLeastRidge = 1e-12;
constexpr const char* kMomentsName = "value_head.moments";
constexpr const char* kWeightName = "value_head.weight";
constexpr const char* kBiasName = "value_head.bias";

at::Tensor ZeroLeaf(int64_t size, Device device) {
  return torch::zeros(
      {size}, at::TensorOptions()
                  .dtype(at::kFloat)
                  .device(device == Device::kCuda ? at::kCUDA : at::kCPU)
                  .requires_grad(true));
}

bool IsFinite(const at::Tensor& x) {
  return at::isfinite(x).all().item<bool>();
}

void CopyInto(at::Tensor& to, const std::vector<float>& values) {
  torch::NoGradGuard no_grad;
  to.copy_(torch::tensor(values, at::kFloat).view(to.sizes()));
}

std::vector<float> ToFloats(const at::Tensor& leaf) {
  const at::Tensor host = leaf.detach().cpu().contiguous();
  const float* begin = host.data_ptr<float>();
  return {begin, begin + host.numel()};
}

absl::StatusOr<std::vector<float>> ReadTensor(
    const SafetensorsReader& file, const char* name,
    const std::vector<int64_t>& shape) {
  for (const WeightTensor& tensor : file.tensors()) {
    if (tensor.name != name || tensor.type != WeightType::kF32 ||
        tensor.shape != shape) {
      continue;
    }
    std::vector<float> values(tensor.bytes / sizeof(float));
    RETURN_IF_ERROR(
        file.Read(tensor, std::as_writable_bytes(std::span(values))));
    const auto is_finite = [](float value) { return std::isfinite(value); };
    if (std::ranges::all_of(values, is_finite)) return values;
  }
  return absl::DataLossError(absl::StrCat(
      "value head not loaded: file=", file.path(), ", expected finite F32 '",
      name, "' of shape [", absl::StrJoin(shape, ", "),
      "]; resume from an older checkpoint"));
}

}  // namespace

TrainableValueHead::TrainableValueHead(int64_t hidden_size, Device device)
    : weight_(ZeroLeaf(hidden_size, device)),
      bias_(ZeroLeaf(1, device)),
      observed_(torch::zeros({hidden_size + 1, hidden_size + 2},
                             weight_.options().requires_grad(false))),
      moments_(torch::zeros_like(observed_)) {}

at::Tensor TrainableValueHead::Values(const at::Tensor& hidden) const {
  return at::mv(hidden, weight_) + bias_;
}

void TrainableValueHead::Observe(const at::Tensor& hidden,
                                 const at::Tensor& returns,
                                 const at::Tensor& weights) {
  const torch::NoGradGuard no_grad;
  const at::Tensor inputs =
      at::cat({hidden, at::ones({hidden.size(0), 1}, hidden.options())}, 1);
  const at::Tensor outputs = at::cat({inputs, returns.unsqueeze(1)}, 1);
  observed_ += at::mm((inputs * weights.unsqueeze(1)).t(), outputs);
}

void TrainableValueHead::Fit() {
  const torch::NoGradGuard no_grad;
  moments_ *= kMemory;
  if (IsFinite(observed_)) moments_ += observed_;
  observed_.zero_();
  const int64_t size = moments_.size(0);
  const at::Tensor moments = moments_.to(at::kDouble);
  const at::Tensor squares = moments.narrow(1, 0, size);
  const at::Tensor sizes = squares.diagonal();
  at::Tensor ridge = at::full_like(
      sizes, kRidge * sizes.narrow(0, 0, size - 1).mean().item<double>());
  ridge.select(0, size - 1).zero_();
  const at::Tensor head = at::linalg_solve(
      squares + at::diag(ridge + kLeastRidge), moments.select(1, size));
  if (!IsFinite(head)) return;
  weight_.copy_(head.narrow(0, 0, size - 1));
  bias_.copy_(head.narrow(0, size - 1, 1));
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
      {.name = kBiasName, .shape = {1}},
      {.name = kMomentsName, .shape = moments_.sizes().vec()}};
  ASSIGN_OR_RETURN(const std::unique_ptr<SafetensorsWriter> file,
                   SafetensorsWriter::Create(path, tensors));
  for (const at::Tensor& leaf : {weight_, bias_, moments_}) {
    const std::vector<float> values = ToFloats(leaf);
    RETURN_IF_ERROR(file->Append(std::as_bytes(std::span(values))));
  }
  return file->Commit();
}

absl::Status TrainableValueHead::Load(const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<SafetensorsReader> file,
                   SafetensorsReader::Open(path));
  ASSIGN_OR_RETURN(std::vector<float> weight,
                   ReadTensor(*file, kWeightName, {weight_.numel()}));
  ASSIGN_OR_RETURN(const std::vector<float> bias,
                   ReadTensor(*file, kBiasName, {1}));
  ASSIGN_OR_RETURN(const std::vector<float> moments,
                   ReadTensor(*file, kMomentsName, moments_.sizes().vec()));
  CopyInto(moments_, moments);
  return Assign({.weight = std::move(weight), .bias = bias.front()});
}

}  // namespace operant::learner
