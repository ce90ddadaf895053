#include "common/nn/adamw.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "common/nn/training_kernels.h"

namespace operant {
namespace {

// Elements of one task of the update.
constexpr int64_t kTaskElements = 1 << 16;

bool IsMatrix(const at::Tensor& parameter) { return parameter.dim() >= 2; }

}  // namespace

// What one step multiplies by, the same for every segment.
struct AdamW::StepFactors {
  double learning_rate_scale = 1;
  double gradient_scale = 1;
  double first_correction = 1;   // 1 - beta1^t
  double second_correction = 1;  // 1 - beta2^t
};

AdamW::AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options)
    : options_(options) {
  Flatten(groups);
}

// Within a group, matrices come first: two segments a group, however many
// parameters.
void AdamW::Flatten(const std::vector<ParameterGroup>& groups) {
  const at::NoGradGuard no_grad;
  int64_t total = 0;
  at::TensorOptions tensor_options;
  for (const ParameterGroup& group : groups) {
    for (const auto& [name, parameter] : group.parameters) {
      TORCH_CHECK(parameter.is_leaf() && parameter.requires_grad() &&
                      parameter.scalar_type() == at::kFloat,
                  "AdamW: ", name, " is not a trainable fp32 leaf");
      total += parameter.numel();
      tensor_options = parameter.options();
    }
  }
  parameters_ = at::empty({total}, tensor_options.requires_grad(false));
  gradients_ = at::zeros_like(parameters_);
  first_ = at::zeros_like(parameters_);
  second_ = at::zeros_like(parameters_);
  int64_t next = 0;
  for (const ParameterGroup& group : groups) {
    for (const bool matrices : {true, false}) {
      Segment segment = {next, next, group.learning_rate,
                         matrices ? options_.weight_decay : 0};
      for (const auto& named : group.parameters) {
        if (IsMatrix(named.second) != matrices) continue;
        Adopt(named, segment.end);
        segment.end += named.second.numel();
      }
      next = segment.end;
      if (segment.begin < segment.end) segments_.push_back(segment);
    }
  }
}

void AdamW::Adopt(const std::pair<std::string, at::Tensor>& named,
                  int64_t begin) {
  at::Tensor parameter = named.second;
  const auto view = [&](const at::Tensor& flat) {
    return flat.narrow(0, begin, parameter.numel()).view(parameter.sizes());
  };
  view(parameters_).copy_(parameter);
  parameter.set_data(view(parameters_));
  parameter.mutable_grad() = view(gradients_);
  entries_.push_back({named.first, parameter, begin});
}

void AdamW::ZeroGradients() {
  const at::NoGradGuard no_grad;
  gradients_.zero_();
}

double AdamW::GradientNorm() const {
  const at::NoGradGuard no_grad;
  return at::linalg_vector_norm(gradients_, 2, std::nullopt, false, at::kDouble)
      .item<double>();
}

AdamWStep AdamW::Step(double learning_rate_scale) {
  const at::NoGradGuard no_grad;
  AdamWStep result;
  result.gradient_norm = GradientNorm();
  result.applied = std::isfinite(result.gradient_norm);
  if (result.applied) {
    ++steps_;
    result.clipped = options_.max_gradient_norm > 0 &&
                     result.gradient_norm > options_.max_gradient_norm;
    const auto t = static_cast<double>(steps_);
    const StepFactors factors = {
        learning_rate_scale,
        result.clipped ? options_.max_gradient_norm / result.gradient_norm : 1,
        1 - std::pow(options_.beta1, t), 1 - std::pow(options_.beta2, t)};
    for (const Segment& segment : segments_) UpdateSegment(segment, factors);
  }
  ZeroGradients();
  return result;
}

void AdamW::UpdateSegment(const Segment& segment, const StepFactors& factors) {
  const double learning_rate =
      segment.learning_rate * factors.learning_rate_scale;
  const double keep = 1 - learning_rate * segment.weight_decay;
  const double step_size = learning_rate / factors.first_correction;
  if (!parameters_.is_cpu()) {
    const int64_t size = segment.end - segment.begin;
    at::Tensor parameter = parameters_.narrow(0, segment.begin, size);
    const at::Tensor gradient =
        gradients_.narrow(0, segment.begin, size) * factors.gradient_scale;
    at::Tensor first = first_.narrow(0, segment.begin, size);
    at::Tensor second = second_.narrow(0, segment.begin, size);
    first.mul_(options_.beta1).add_(gradient, 1 - options_.beta1);
    second.mul_(options_.beta2)
        .addcmul_(gradient, gradient, 1 - options_.beta2);
    const at::Tensor root =
        (second / factors.second_correction).sqrt_().add_(options_.epsilon);
    parameter.mul_(keep).addcdiv_(first, root, -step_size);
    return;
  }
  const AdamWUpdate update = {
      .parameter = parameters_.data_ptr<float>(),
      .gradient = gradients_.data_ptr<float>(),
      .first = first_.data_ptr<float>(),
      .second = second_.data_ptr<float>(),
      .gradient_scale = static_cast<float>(factors.gradient_scale),
      .beta1 = static_cast<float>(options_.beta1),
      .beta2 = static_cast<float>(options_.beta2),
      .step_size = static_cast<float>(step_size),
      .second_scale = static_cast<float>(1 / factors.second_correction),
      .epsilon = static_cast<float>(options_.epsilon),
      .keep = static_cast<float>(keep)};
  at::parallel_for(segment.begin, segment.end, kTaskElements,
                   [&](int64_t begin, int64_t end) {
                     ChooseTrainingKernels().adamw(update, begin, end);
                   });
}

}  // namespace operant
